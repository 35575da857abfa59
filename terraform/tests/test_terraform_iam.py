"""Rights: the table in docs/deploy.md says what the plan does, no row more or less; and nobody can read data he need not."""

from collections import Counter

import grants
import offline
import pytest
from grants import Grant
from offline import Plan
from plans import EVERYTHING, Plans

PAGE = offline.ROOT / "docs" / "deploy.md"
OPENS_DATA = ("bigquery.data", "bigquery.admin", "pubsub.", "storage.", "secretmanager.", "editor", "owner", "custom ")


@pytest.fixture(scope="module")
def granted(plans: Plans) -> list[Grant]:
    roots = (plans.of("prod", **EVERYTHING), plans.bootstrap(github_repository="acme/events"))
    return [grant for plan in roots for grant in grants.planned(plan)]


def test_the_table_is_what_is_planned(granted: list[Grant]) -> None:
    told, made = Counter(grants.documented(PAGE)), Counter(granted)
    assert sorted(told - made) == [], "in docs/deploy.md, not in the plan"
    assert sorted(made - told) == [], "in the plan, not in docs/deploy.md"


def test_no_role_on_the_project_opens_data(granted: list[Grant]) -> None:
    assert [grant for grant in granted if grant.on == "project" and grant.role.startswith(OPENS_DATA)] == []


def test_who_may_view_the_project_cannot_read_the_dataset(plans: Plans) -> None:
    (dataset,) = plans.of("prod", **EVERYTHING).all("google_bigquery_dataset")
    assert [(access["role"], access["special_group"]) for access in dataset["access"]] == [("OWNER", "projectOwners")]


def test_only_single_members_are_granted(plans: Plans) -> None:
    for plan in (plans.of("prod", **EVERYTHING), plans.bootstrap(github_repository="acme/events")):
        assert [each["type"] for each in plan.resources if each["type"].endswith(("_iam_binding", "_iam_policy"))] == []


def test_the_loader_deletes_no_table(plans: Plans) -> None:
    role = plans.of("prod", **EVERYTHING).one("google_project_iam_custom_role", "writer")
    tables = {"create", "get", "getData", "update", "updateData"}
    assert set(role["permissions"]) == {"bigquery.datasets.get", *(f"bigquery.tables.{each}" for each in tables)}


def test_in_compact_mode_one_account_has_the_rights_of_both(plans: Plans, granted: list[Grant]) -> None:
    def both(grants_: list[Grant]) -> set[Grant]:
        return {grant._replace(who="worker") for grant in grants_ if grant.who in ("enricher", "loader")}

    compact = plans.stack(compact=True, metrics_image=EVERYTHING["metrics_image"])
    assert isinstance(compact, Plan), compact
    assert {grant for grant in grants.planned(compact) if grant.who == "worker"} == both(granted)


def test_without_github_nobody_releases(plans: Plans) -> None:
    for plan in (plans.stack(), plans.bootstrap()):
        assert isinstance(plan, Plan), plan
        assert {grant.who for grant in grants.planned(plan)} & {"deployer", "planner", "GitHub, a release"} == set()


def test_every_dead_letter_policy_can_be_carried_out(plans: Plans) -> None:
    plan = plans.of("prod", **EVERYTHING)
    (agent,) = {each["member"] for each in plan.all("google_pubsub_topic_iam_member") if "gcp-sa-pubsub" in each["member"]}
    reading = [each for each in plan.all("google_pubsub_subscription") if each["dead_letter_policy"]]
    assert len(reading) == 4
    for subscription in reading:
        topic = subscription["dead_letter_policy"][0]["dead_letter_topic"].rpartition("/")[2]
        publishes = {(each["topic"], each["role"], each["member"]) for each in plan.all("google_pubsub_topic_iam_member")}
        reads = {
            (each["subscription"], each["role"], each["member"]) for each in plan.all("google_pubsub_subscription_iam_member")
        }
        assert (topic, "roles/pubsub.publisher", agent) in publishes
        assert (subscription["name"], "roles/pubsub.subscriber", agent) in reads
        assert subscription["retry_policy"]
