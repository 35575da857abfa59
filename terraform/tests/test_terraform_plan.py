"""What would be made: three environments in two regions from the same modules, protected, by digest, with every address right."""

import json
import re
from typing import Any

import offline
import pytest
import reference
from offline import Plan
from plans import DIGEST, ENVIRONMENTS, EVERYTHING, PEOPLE, REGIONS, Plans

from backbone.bus.pubsub_topics import CONSUMERS, Names, topic_of
from backbone.settings import SHARED, keys
from snowmelt.configuration import MODELS

OTHER_REGION = {REGIONS[0]: REGIONS[1], REGIONS[1]: REGIONS[0]}


@pytest.fixture(scope="module")
def everything(plans: Plans) -> Plan:
    return plans.of("prod", **EVERYTHING)


def containers(plan: Plan) -> list[dict[str, Any]]:
    pools = plan.all("google_cloud_run_v2_service", "google_cloud_run_v2_worker_pool")
    jobs = [job["template"][0] for job in plan.all("google_cloud_run_v2_job")]
    return [container for each in (*pools, *jobs) for container in each["template"][0]["containers"]]


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"]}


def container(plan: Plan, name: str) -> dict[str, Any]:
    (found,) = [each for each in containers(plan) if each["name"] == name]
    return found


def pool(plan: Plan, command: str) -> dict[str, Any]:
    (found,) = [each for each in plan.all("google_cloud_run_v2_worker_pool") if each["name"] == f"snowmelt-{command}"]
    return found


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_plans_in_every_region(plans: Plans, name: str, region: str) -> None:
    plan = plans.of(name, region, **PEOPLE)
    text = json.dumps(plan.document["planned_values"])
    assert region in text
    assert OTHER_REGION[region] not in text
    assert plan.one("google_bigquery_table", "events")["table_id"] == "events"


def test_three_variables_are_enough_to_begin(plans: Plans) -> None:
    assert isinstance(plans.attempted("dev"), Plan)


def test_prod_is_refused_without_anybody_to_tell(plans: Plans) -> None:
    refused = plans.attempted("prod")
    assert isinstance(refused, str)
    assert "Nobody would hear of an alert" in refused


def test_an_image_by_tag_is_refused(plans: Plans) -> None:
    refused = plans.attempted("dev", image="europe-west1-docker.pkg.dev/acme-events-dev/snowmelt/snowmelt:latest")
    assert isinstance(refused, str)
    assert "named by digest" in refused


def test_every_image_is_by_digest(everything: Plan) -> None:
    images = [each["image"] for each in containers(everything)]
    assert len(images) == 5  # collector, enricher, loader with its sidecar, doctor
    assert [image for image in images if not image.endswith(f"@{DIGEST}")] == []


def test_services_find_the_topics_that_are_made(everything: Plan) -> None:
    told = environment(container(everything, "enrich"))
    names = Names(told["SNOWMELT_BUS_PROJECT"], told["SNOWMELT_BUS_PREFIX"])
    made = {f"projects/{each['project']}/subscriptions/{each['name']}" for each in everything.all("google_pubsub_subscription")}
    read = {names.subscription(topic_of(stream), consumer) for consumer, streams in CONSUMERS.items() for stream in streams}
    assert made == {*read, names.dead_letters_keeper()}
    topics = {f"projects/{each['project']}/topics/{each['name']}" for each in everything.all("google_pubsub_topic")}
    assert topics == {*(names.topic(stream) for streams in CONSUMERS.values() for stream in streams), names.dead_letters()}


@pytest.mark.parametrize("command", ["collect", "enrich", "load", "work", "doctor"])
def test_snowmelt_understands_what_containers_are_told(plans: Plans, everything: Plan, command: str) -> None:
    known = reference.every_command()
    plan = plans.of("dev") if command == "work" else everything
    (told,) = [each["args"] for each in containers(plan) if each.get("args") and each["args"][0] == command]
    known[command].make_context(command, list(told[1:]))


def test_every_topic_has_a_subscription_that_does_not_expire(everything: Plan) -> None:
    subscribed = {each["name"].rpartition("-")[0] for each in everything.all("google_pubsub_subscription")}
    assert subscribed == {each["name"] for each in everything.all("google_pubsub_topic")}
    assert {each["expiration_policy"][0]["ttl"] for each in everything.all("google_pubsub_subscription")} == {""}


def test_every_setting_exists(everything: Plan) -> None:
    known = {f"SNOWMELT_{'_'.join(path)}".upper() for path in keys({**SHARED, **MODELS})}
    given = {name for each in containers(everything) if each["env"] for name in environment(each) if name.startswith("SNOWMELT_")}
    assert given - known == set()
    assert {"SNOWMELT_BUS_KIND", "SNOWMELT_WAREHOUSE_DATASET", "SNOWMELT_IGLU_SCHEMAS"} <= given


def test_schemas_are_files_of_a_mounted_bucket(everything: Plan) -> None:
    for name in ("enrich", "load"):
        told = container(everything, name)
        (folder,) = json.loads(environment(told)["SNOWMELT_IGLU_SCHEMAS"])
        (volume,) = [each["name"] for each in told["volume_mounts"] if each["mount_path"] == folder]
        (mounted,) = [each for each in pool(everything, name)["template"][0]["volumes"] if each["name"] == volume]
        assert mounted["gcs"] == [{"bucket": "acme-events-prod-snowmelt-schemas", "read_only": True}]


def test_every_schema_of_ours_is_in_the_bucket(everything: Plan) -> None:
    ours = {
        f"schemas/{path.relative_to(offline.ROOT / 'schemas')}" for path in (offline.ROOT / "schemas").glob("*/*/jsonschema/*")
    }
    made = everything.all("google_storage_bucket_object")
    assert {each["name"] for each in made} == ours
    assert {each["content_type"] for each in made} == {"application/json"}


def test_prod_is_protected_from_deletion(everything: Plan) -> None:
    kinds = ("google_cloud_run_v2_service", "google_cloud_run_v2_worker_pool", "google_bigquery_table")
    protected = everything.all(*kinds)
    assert len(protected) == 4
    assert [each["address"] for each in protected if each["deletion_protection"] is not True] == []
    assert [each["address"] for each in everything.all("google_storage_bucket") if each["force_destroy"]] == []
    assert not everything.all("google_bigquery_dataset")[0]["delete_contents_on_destroy"]


def test_apis_stay_on_when_all_is_destroyed(everything: Plan) -> None:
    assert {each["disable_on_destroy"] for each in everything.all("google_project_service")} == {False}


def test_no_secret_is_in_the_state(everything: Plan) -> None:
    kinds = {each["type"] for each in everything.resources}
    assert not kinds & {"google_secret_manager_secret_version", "google_service_account_key", "random_password"}
    channels = everything.all("google_monitoring_notification_channel")
    assert [each["address"] for each in channels if each["sensitive_labels"]] == []


def test_the_salt_is_a_secret_that_only_the_enricher_gets(plans: Plans) -> None:
    plan = plans.stack(pii_salt=True)
    assert isinstance(plan, Plan), plan
    having = [each["name"] for each in containers(plan) if any(env["value_source"] for env in each["env"])]
    assert having == ["enrich"]


def test_only_the_load_balancer_reaches_a_collector_with_a_domain(plans: Plans, everything: Plan) -> None:
    assert everything.one("google_cloud_run_v2_service", "collector")["ingress"] == "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
    assert environment(container(everything, "collector"))["SNOWMELT_COLLECTOR_TRUSTED_HOPS"] == "2"
    plain = plans.of("dev")
    assert plain.one("google_cloud_run_v2_service", "collector")["ingress"] == "INGRESS_TRAFFIC_ALL"
    assert environment(container(plain, "collector"))["SNOWMELT_COLLECTOR_TRUSTED_HOPS"] == "1"
    assert plain.all("google_compute_backend_service", "google_compute_security_policy") == []


def test_a_rate_limit_is_for_each_address(plans: Plans) -> None:
    plan = plans.stack(domain="collect.acme.com", rate_limit_per_minute=600)
    assert isinstance(plan, Plan), plan
    throttles = [rule for rule in plan.all("google_compute_security_policy")[0]["rule"] if rule["action"] == "throttle"]
    assert throttles[0]["rate_limit_options"][0]["rate_limit_threshold"] == [{"count": 600, "interval_sec": 60}]
    assert throttles[0]["rate_limit_options"][0]["enforce_on_key"] == "IP"


def test_compact_mode_is_one_worker(plans: Plans) -> None:
    plan = plans.of("dev")
    commands = {each["name"]: each["args"][0] for each in containers(plan)}
    assert commands == {"collector": "collect", "work": "work", "doctor": "doctor"}
    (only,) = plan.all("google_cloud_run_v2_worker_pool")
    assert only["scaling"][0]["manual_instance_count"] == 1


def test_traffic_can_be_split_and_brought_back(plans: Plans) -> None:
    plan = plans.of("prod", **PEOPLE, release={"collect": {"stable": "snowmelt-collector-00007-abc", "percent": 10}})
    traffic = plan.one("google_cloud_run_v2_service", "collector")["traffic"]
    assert [(each["percent"], each["revision"], each["tag"]) for each in traffic] == [
        (90, "snowmelt-collector-00007-abc", None),
        (10, None, "next"),
    ]
    back = plans.of("prod", **PEOPLE, release={"collect": {"stable": "snowmelt-collector-00007-abc"}})
    assert [each["percent"] for each in back.one("google_cloud_run_v2_service", "collector")["traffic"]] == [100, 0]


def test_the_collector_is_probed_where_it_answers(everything: Plan) -> None:
    collector = container(everything, "collector")
    assert collector["startup_probe"][0]["http_get"][0]["path"] == "/health"
    assert str(collector["ports"][0]["container_port"]) == environment(collector)["SNOWMELT_COLLECTOR_PORT"]


def test_every_alert_leads_to_its_runbook_and_somebody_hears_it(everything: Plan) -> None:
    policies = everything.all("google_monitoring_alert_policy")
    told = {each["documentation"][0]["content"].rpartition(" ")[2] for each in policies}
    pages = {page.name for page in (offline.ROOT / "docs" / "runbooks").glob("*.md")} - {"README.md"}
    assert told == {f"https://example.com/docs/runbooks/{page}" for page in pages}
    assert {each["severity"] for each in policies} == {"WARNING", "ERROR", "CRITICAL"}
    assert all("notification_channels" not in each or each["notification_channels"] for each in policies)


def test_requests_that_went_well_are_not_logged(everything: Plan) -> None:
    (exclusion,) = everything.all("google_logging_project_exclusion")
    assert re.search(r'service_name="snowmelt-collector".*status<400', exclusion["filter"])


def test_old_rows_are_deleted_by_the_loader_which_notes_it(plans: Plans) -> None:
    plan = plans.of("staging", **PEOPLE)
    assert environment(container(plan, "load"))["SNOWMELT_WAREHOUSE_EVENT_DAYS"] == "30"
    assert not plan.one("google_bigquery_table", "events")["time_partitioning"][0].get("expiration_ms")


def test_the_synthetic_event_is_sent_every_five_minutes(everything: Plan) -> None:
    (job,) = everything.all("google_cloud_run_v2_job")
    (schedule,) = everything.all("google_cloud_scheduler_job")
    assert schedule["schedule"] == "*/5 * * * *"
    assert schedule["http_target"][0]["uri"].endswith(f"/{job['name']}:run")
    assert "https://collect.acme.com" in container(everything, "doctor")["args"]


def test_the_budget_tells_before_it_is_spent(everything: Plan) -> None:
    (budget,) = everything.all("google_billing_budget")
    assert budget["amount"][0]["specified_amount"][0]["units"] == "500"
    assert [rule["threshold_percent"] for rule in budget["threshold_rules"]] == [0.5, 0.9, 1, 1]
    assert budget["threshold_rules"][-1]["spend_basis"] == "FORECASTED_SPEND"


def test_where_all_users_is_forbidden_the_collector_asks_nobody(plans: Plans) -> None:
    plan = plans.stack(collector_public="disabled")
    assert isinstance(plan, Plan), plan
    assert plan.one("google_cloud_run_v2_service", "collector")["invoker_iam_disabled"]
    assert "allUsers" not in json.dumps(plan.document["planned_values"])


def test_schemas_are_public_only_when_asked_for(plans: Plans, everything: Plan) -> None:
    def kept(plan: Plan) -> str:
        (bucket,) = [each for each in plan.all("google_storage_bucket") if each["name"].endswith("-schemas")]
        return str(bucket["public_access_prevention"])

    public = plans.stack(schemas_public=True)
    assert isinstance(public, Plan), public
    assert (kept(everything), kept(public)) == ("enforced", "inherited")
    assert {each["bucket"] for each in public.all("google_storage_bucket_iam_member") if each["member"] == "allUsers"} == {
        "acme-events-prod-snowmelt-schemas"
    }
