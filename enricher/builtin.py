"""The steps every event goes through, whatever is configured: defaults, URLs, times, the event's own name.

A step reads and sets the event's fields; what it cannot do it puts before the working failures.
"""

from backbone.event import Event
from enricher import converters, timestamps, urls
from enricher.converters import whole_number
from enricher.enrichments.protocol import EnrichmentFailure, InputMessage, SimpleMessage, Working
from enricher.parameters import Fields
from enricher.request import Request
from enricher.text import clean, clean_header
from enricher.urls import Url
from enricher.violations import PARSE_ERROR, AtomicError

_STANDARD = "com.snowplowanalytics.snowplow"
_IDENTITY = {name: (_STANDARD, name) for name in ("page_view", "page_ping", "transaction", "transaction_item")}
_IDENTITY["struct"] = ("com.google.analytics", "event")
_MOST_CROSS_DOMAIN_PARTS = 7


def defaults(request: Request) -> tuple[Fields, AtomicError | None]:
    """What the request says of each of its events, before their own parameters."""
    payload = request.payload
    fields: Fields = {}
    collector = clean(payload.collector) if payload.collector else None
    if collector:
        fields["v_collector"] = collector
    if request.network_user_id:
        fields["network_userid"] = request.network_user_id
    address = clean(converters.first_address(request.ip_address)) if request.ip_address else None
    if address:
        fields["user_ipaddress"] = address
    agent = clean_header(payload.user_agent)
    if agent:
        fields["useragent"] = agent
    collected = timestamps.column(payload.timestamp)
    if timestamps.EARLIEST <= payload.timestamp <= timestamps.LATEST:
        fields["collector_tstamp"] = collected
        return fields, None
    problem = f"Formatted as {collected} is not Redshift-compatible"
    return fields, AtomicError("collector_tstamp", timestamps.iso(payload.timestamp), problem, PARSE_ERROR)


def _fail(working: Working, message: SimpleMessage | InputMessage) -> None:
    working.failures.insert(0, EnrichmentFailure(message))


def collector_version(working: Working) -> None:
    if working.event.v_collector is None:
        _fail(working, InputMessage("v_collector", None, "should be set"))


def page_url(working: Working, referer: str | None) -> None:
    """The page's URL, else the HTTP Referer, in its readable form and in parts."""
    event = working.event
    text = event.page_url or referer
    if not text:
        return
    url = urls.parse(text)
    if url is None:
        _fail(working, _no_url("page"))
        return
    event.page_url = url.text
    event.page_urlport = url.port
    fields = event.__dict__
    _set_parts(fields, "page_url", url)
    working.page_query = url.pairs


def referrer_url(working: Working) -> None:
    event = working.event
    if event.page_referrer is None:
        return
    url = urls.parse(event.page_referrer)
    if url is None:
        _fail(working, _no_url("referrer"))
        return
    event.refr_urlport = url.port
    _set_parts(event.__dict__, "refr_url", url)


def _no_url(kind: str) -> SimpleMessage:
    return SimpleMessage(f"The {kind} URL is not a URI, neither as it is nor with its special characters escaped")


def _set_parts(fields: Fields, prefix: str, url: Url) -> None:
    if url.scheme is not None:
        fields[f"{prefix}scheme"] = url.scheme
    if url.host is not None:
        fields[f"{prefix}host"] = url.host
    if url.path is not None:
        fields[f"{prefix}path"] = url.path
    if url.query is not None:
        fields[f"{prefix}query"] = url.query
    if url.fragment is not None:
        fields[f"{prefix}fragment"] = url.fragment


def derived_time(event: Event, collected: int, working: Working) -> None:
    """`true_tstamp` if the tracker knew it, else the device's time corrected by the collector's clock."""
    if event.true_tstamp is not None:
        event.derived_tstamp = event.true_tstamp
        return
    parameters = working.parameters
    created = _millis(parameters.get("dtm")) if event.dvce_created_tstamp is not None else None
    sent = _millis(parameters.get("stm")) if event.dvce_sent_tstamp is not None else None
    if event.collector_tstamp is not None:
        event.derived_tstamp = timestamps.column(timestamps.derived(collected, created, sent))


def _millis(text: str | None) -> int | None:
    return None if text is None else whole_number(text, 64)


def cross_domain(working: Working) -> None:
    """`_sp` of the page URL, which the linking page's tracker put there: `<domain user id>.<ms since epoch>…`."""
    linked = None
    for name, value in working.page_query:
        if name == "_sp":
            linked = value
    if linked is None:
        return
    parts = linked.split(".")
    if len(parts) > _MOST_CROSS_DOMAIN_PARTS:
        return
    event = working.event
    event.refr_domain_userid = clean(parts[0])
    if len(parts) > 1 and parts[1]:
        moment, problem = converters.timestamp(parts[1])
        if problem is None:
            event.refr_dvce_tstamp = moment
        else:
            _fail(working, InputMessage("sp_dtm", parts[1], problem))


def identity(working: Working) -> None:
    """Vendor, name, format and version of the event's schema; an unstruct event without data has none and is fine."""
    event = working.event
    if event.event == "unstruct":
        datum = event.unstruct_event
        if datum is not None:
            event.event_vendor, event.event_name, event.event_format, version = datum.key
            event.event_version = str(version)
        return
    named = _IDENTITY.get(event.event or "")
    if named is None:
        _fail(working, InputMessage("event", event.event, f"should be one of {', '.join((*_IDENTITY, 'unstruct'))}"))
        return
    event.event_vendor, event.event_name = named
    event.event_format, event.event_version = "jsonschema", "1-0-0"
