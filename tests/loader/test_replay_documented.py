"""The patches of the documentation do what it says of them."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from replay_works import ID, OTHER, ROOT, Works

UNSTRUCT = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
SIGN_UP = "iglu:com.acme/newsletter_signup/jsonschema/1-0-0"
VIEW = "iglu:com.acme/product_view/jsonschema/1-0-0"


@pytest.fixture
def works(tmp_path: Path) -> Works:
    """A sign-up with a property too many, a view with its position as text."""
    made = Works(tmp_path / "data", tmp_path)
    for event_id, schema, data in (
        (ID, SIGN_UP, {"topic": "wool", "consent": True, "source": "footer"}),
        (OTHER, VIEW, {"sku": "blanket-3", "position": "3"}),
    ):
        wrapped = {"schema": UNSTRUCT, "data": {"schema": schema, "data": data}}
        made.collect(urlencode({"e": "ue", "p": "web", "tv": "t", "eid": event_id, "ue_pr": json.dumps(wrapped)}))
    made.flow()
    return made


def shown(name: str) -> tuple[str, str]:
    page = (ROOT / "docs/failed-events-and-replay.md").read_text("utf-8")
    (found,) = re.findall(rf"<!-- tested: {re.escape(name)} -->\n```\w+\n(.*?)```", page, re.DOTALL)
    return name, str(found)


@pytest.mark.parametrize(
    ("name", "landed"),
    [
        ("mend.json", (ID, "unstruct_event_com_acme_newsletter_signup_1.topic", "wool")),
        ("mend.js", (OTHER, "unstruct_event_com_acme_product_view_1.position", 3)),
    ],
)
def test_each_mends_its_event_and_leaves_the_other(works: Works, name: str, landed: Any) -> None:
    event_id, column, value = landed
    counts = works.replay(*shown(name))
    assert (counts.changed, counts.left_out, counts.broken) == (1, 1, {})
    works.flow()
    assert works.sql(f"SELECT event_id, {column} FROM events") == [(event_id, value)]
    assert works.sql("SELECT count(*) FROM failed_events") == [(1,)]
