"""Campaign attribution: from the page's query to the marketing columns."""

import pytest

from backbone.event import Event
from backbone.selfdescribing import parse_key
from enricher import querystring
from enricher.enrichments.campaign_attribution import CampaignAttribution
from enricher.enrichments.protocol import Working

KEY = parse_key("iglu:com.snowplowanalytics.snowplow/campaign_attribution/jsonschema/1-0-1")
UTM = {
    "mkt_medium": ("utm_medium",),
    "mkt_source": ("utm_source",),
    "mkt_term": ("utm_term",),
    "mkt_content": ("utm_content",),
    "mkt_campaign": ("utm_campaign", "legacy_campaign"),
}


def attributed(query: str, click_ids: dict[str, str] | None = None, **names: tuple[str, ...]) -> dict[str, str]:
    pairs = [(name, value or "") for name, value in querystring.parse(query)]
    working = Working(Event(), {}, [], page_query=pairs)
    CampaignAttribution(KEY, UTM | names, click_ids or {}).enrich(working)
    return dict(working.event.__dict__)


def test_five_fields_are_decoded() -> None:
    query = (
        "utm_source=GoogleSearch&utm_medium=cpc&utm_term=native+american+tarot+deck"
        "&utm_content=39254295088&utm_campaign=uk-tarot--native-american"
    )
    assert attributed(query) == {
        "mkt_source": "GoogleSearch",
        "mkt_medium": "cpc",
        "mkt_term": "native american tarot deck",
        "mkt_content": "39254295088",
        "mkt_campaign": "uk-tarot--native-american",
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("legacy_campaign=old&utm_campaign=new", {"mkt_campaign": "new"}, id="configured order, not the query's"),
        pytest.param("legacy_campaign=old", {"mkt_campaign": "old"}, id="second name"),
        pytest.param("utm_campaign=&legacy_campaign=old", {}, id="first name present but empty"),
        pytest.param("utm_source=a&utm_source=b", {"mkt_source": "b"}, id="last duplicate"),
        pytest.param("utm_source&utm_medium=", {}, id="without value, empty"),
        pytest.param("UTM_SOURCE=a", {}, id="case matters"),
        pytest.param("utm_source=a;utm_medium=b", {"mkt_source": "a", "mkt_medium": "b"}, id="semicolon separates"),
        pytest.param("utm_source=a%09b%0A", {"mkt_source": "a    b"}, id="tab and newline"),
        pytest.param("utm_medium=%00%01", {}, id="only control characters"),
        pytest.param("", {}, id="no query"),
    ],
)
def test_field_from_query(query: str, expected: dict[str, str]) -> None:
    assert attributed(query) == expected


def test_a_parameter_of_ones_own() -> None:
    assert attributed("cid=x", mkt_campaign=("cid",)) == {"mkt_campaign": "x"}


@pytest.mark.parametrize(
    ("query", "click_ids", "expected"),
    [
        pytest.param("gclid=g", {}, ("g", "Google"), id="Google"),
        pytest.param("msclkid=500", {}, ("500", "Microsoft"), id="Microsoft"),
        pytest.param("dclid=d", {}, ("d", "DoubleClick"), id="DoubleClick"),
        pytest.param("msclkid=abc", {"msclkid": "NotMicrosoft"}, ("abc", "NotMicrosoft"), id="renamed"),
        pytest.param("gbraid=b", {"gbraid": "Google"}, ("b", "Google"), id="added"),
        pytest.param("b=2&a=1", {"a": "A", "b": "B"}, ("1", "A"), id="configured order"),
        pytest.param("msclkid=m&gclid=g", {}, ("g", "Google"), id="Google wins"),
        pytest.param("gclid=", {}, (None, None), id="empty is none"),
        pytest.param("gclid", {}, (None, None), id="without value is none"),
        pytest.param("gclid=&msclkid=m", {}, ("m", "Microsoft"), id="empty gives way"),
        pytest.param("fbclid=f", {}, (None, None), id="not configured"),
    ],
)
def test_click_id(query: str, click_ids: dict[str, str], expected: tuple[str | None, str | None]) -> None:
    event = attributed(query, click_ids)
    assert (event.get("mkt_clickid"), event.get("mkt_network")) == expected
