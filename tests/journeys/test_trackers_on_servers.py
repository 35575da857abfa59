"""Trackers for servers, unmodified: each event becomes one row with typed columns."""

import json
import subprocess
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest
from pipeline import Pipeline
from snowplow_tracker import (
    Emitter,
    PagePing,
    PageView,
    SelfDescribing,
    SelfDescribingJson,
    StructuredEvent,
    Subject,
    Tracker,
)

pytestmark = pytest.mark.journey
PAGE_ID = "6f6b3a5c-7d2e-4b8a-9c1d-0e1f2a3b4c5d"
WEB_PAGE = SelfDescribingJson("iglu:com.snowplowanalytics.snowplow/web_page/jsonschema/1-0-0", {"id": PAGE_ID})
USER = SelfDescribingJson("iglu:com.journey/user/jsonschema/1-0-0", {"plan": "gold", "since": "2024-02-29T12:30:15Z"})
GADGET = SelfDescribingJson(
    "iglu:com.journey/gadget_used/jsonschema/1-0-0", {"gadget": "drill", "rpm": 1200, "tags": ["a"], "weight": 1.25}
)


@pytest.mark.parametrize("batch_size", [1, 3], ids=["one-by-one", "batched"])
@pytest.mark.parametrize("base64", [True, False], ids=["base64", "plain"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_python_tracker(pipeline: Pipeline, method: Literal["get", "post"], base64: bool, batch_size: int) -> None:
    answers: list[int] = []
    emitter = Emitter(
        "127.0.0.1",
        protocol="http",
        port=pipeline.port,
        method=method,
        batch_size=batch_size,
        on_success=lambda events: answers.append(len(events)),
        on_failure=lambda sent, failed: answers.append(-len(failed)),
    )
    subject = Subject().set_user_id("user-7").set_lang("en-GB").set_screen_resolution(1280, 800)
    tracker = Tracker("py", [emitter], subject=subject, app_id="journey-python", encode_base64=base64)
    sent = {
        "view": tracker.track(PageView("https://shop.example/café?q=1#top", "Café ☕", context=[WEB_PAGE, USER])),
        "ping": tracker.track(PagePing("https://shop.example/", min_x=0, max_x=1, min_y=0, max_y=900)),
        "struct": tracker.track(StructuredEvent("shop", "add", label="mug", property_="blue", value=8.5)),
        "gadget": tracker.track(SelfDescribing(GADGET, context=[WEB_PAGE])),
    }
    tracker.flush()
    ids = [event_id for event_id in sent.values() if event_id]
    assert len(ids) == 4
    rows = pipeline.rows(ids)
    assert sum(answers) == 4

    view = rows[str(sent["view"])]
    assert view["event"] == "page_view"
    assert view["page_title"] == "Café ☕"
    assert view["page_urlhost"] == "shop.example"
    assert view["page_urlquery"] == "q=1"
    assert view["app_id"] == "journey-python"
    assert view["user_id"] == "user-7"
    assert (view["dvce_screenwidth"], view["dvce_screenheight"]) == (1280, 800)
    assert view["v_tracker"].startswith("py-")
    assert view["contexts_com_snowplowanalytics_snowplow_web_page_1"] == [{"_schema_version": "1-0-0", "id": PAGE_ID}]
    (user,) = view["contexts_com_journey_user_1"]
    assert user["plan"] == "gold"
    assert datetime.fromisoformat(user["since"].replace("Z", "+00:00")).isoformat() == "2024-02-29T12:30:15+00:00"

    assert rows[str(sent["ping"])]["pp_yoffset_max"] == 900
    struct = rows[str(sent["struct"])]
    assert (struct["se_category"], struct["se_label"], struct["se_property"]) == ("shop", "mug", "blue")
    assert Decimal(str(struct["se_value"])) == Decimal("8.5")
    gadget = rows[str(sent["gadget"])]
    assert (gadget["event_vendor"], gadget["event_name"], gadget["event_version"]) == ("com.journey", "gadget_used", "1-0-0")
    assert gadget["unstruct_event_com_journey_gadget_used_1"] == {
        "gadget": "drill",
        "rpm": 1200,
        "tags": ["a"],
        "weight": 1.25,
    }


@pytest.mark.parametrize("method", ["get", "post"])
def test_node_tracker(pipeline: Pipeline, javascript_trackers: Path, method: str) -> None:
    script = Path(__file__).with_name("node_tracker.mjs")
    done = subprocess.run(["node", str(script), pipeline.url, method], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [request for request in answer["requests"] if request != "success"] == []
    ids = answer["ids"]
    rows = pipeline.rows(list(ids.values()))
    view = rows[ids["page_view"]]
    assert view["page_title"] == 'A "page" ☃'
    assert view["user_id"] == "ünï user"
    assert view["network_userid"] == "11111111-1111-4111-8111-111111111111"
    assert view["contexts_com_snowplowanalytics_snowplow_web_page_1"] == [{"_schema_version": "1-0-0", "id": PAGE_ID}]
    assert Decimal(str(rows[ids["struct"]]["se_value"])) == Decimal("8.5")
    click = rows[ids["link_click"]]["unstruct_event_com_snowplowanalytics_snowplow_link_click_1"]
    assert click["target_url"] == "https://shop.example/next"
    assert click["element_classes"] == ["one", "two"]
