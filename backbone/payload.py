"""One HTTP request as the collector stores it: the Thrift struct `CollectorPayload`."""

from dataclasses import dataclass, field

PAYLOAD_SCHEMA = "iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/1-0-0"


@dataclass(slots=True)
class CollectorPayload:
    """Fields in the order of their wire ids (100 … 410, 31337); `timestamp` is epoch milliseconds.

    `None` means "not set". Text is what the wire holds as UTF-8. `schema`, `collector`, `encoding` are required by the
    format but may be missing in what others wrote, hence optional here.
    """

    ip_address: str | None = None
    timestamp: int = 0
    encoding: str | None = "UTF-8"
    collector: str | None = None
    user_agent: str | None = None
    referer_uri: str | None = None
    path: str | None = None
    querystring: str | None = None
    body: str | None = None
    headers: list[str] = field(default_factory=list)
    content_type: str | None = None
    hostname: str | None = None
    network_user_id: str | None = None
    schema: str | None = PAYLOAD_SCHEMA
