"""`[collector]`: every option, read once at start. Durations are seconds, sizes bytes."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from backbone.settings import Bytes, Seconds, Section

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_DOMAIN = re.compile(r"\.?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_PLAIN = re.compile(r"[^\x00-\x1f\x7f]*")
UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_CENTURY = 3_155_760_000

Port = Annotated[int, Field(ge=0, le=65535)]
Lifetime = Annotated[float, Field(ge=0, le=_CENTURY)]


def _cookie_name(name: str) -> str:
    if not TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a cookie")
    return name


def _domain(domain: str) -> str:
    if not _DOMAIN.fullmatch(domain):
        raise ValueError(f"{domain!r} is not a domain")
    return domain


class CookieSettings(Section):
    """The cookie that holds the network user id."""

    enabled: bool = True
    """Whether the cookie is set; one that arrives is read either way."""
    name: str = "sp"
    """Its name."""
    expiration: Lifetime = 31_536_000
    """How long browsers keep it, counted from the last request."""
    domains: tuple[str, ...] = ()
    """Domains it may be set for; the first that is, or is a parent of, the host of the request's `Origin`."""
    fallback_domain: str | None = None
    """Domain when none of `domains` matches; without it the cookie belongs to the collector's own host."""
    secure: bool = True
    """Attribute Secure; always sent with `same_site = "None"`, which browsers refuse without it."""
    http_only: bool = True
    """Attribute HttpOnly: scripts cannot read it."""
    same_site: Literal["None", "Lax", "Strict", ""] = "None"
    """Attribute SameSite; an empty text leaves it out."""
    client_name: str | None = None
    """Name of a second, identical cookie that scripts can read; none when unset."""

    _names = field_validator("name")(_cookie_name)
    _domains = field_validator("domains")(lambda domains: tuple(map(_domain, domains)))

    @field_validator("same_site", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.capitalize() if isinstance(value, str) else value

    @field_validator("fallback_domain")
    @classmethod
    def _fallback(cls, value: str | None) -> str | None:
        return None if value is None else _domain(value)

    @field_validator("client_name")
    @classmethod
    def _client(cls, value: str | None) -> str | None:
        return None if value is None else _cookie_name(value)


class DoNotTrackSettings(Section):
    """A cookie with which visitors opt out: their requests are answered and not stored."""

    enabled: bool = False
    """Whether the cookie is looked for."""
    name: str = ""
    """Its name."""
    value: str = ""
    """Regular expression its whole value must match."""

    @field_validator("value")
    @classmethod
    def _regex(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as problem:
            raise ValueError(f"not a regular expression: {problem}") from None
        return value

    @model_validator(mode="after")
    def _named(self) -> "DoNotTrackSettings":
        if self.enabled:
            _cookie_name(self.name)
        return self


class BounceSettings(Section):
    """Sends pixels without an id around once, to learn whether the browser takes third-party cookies."""

    enabled: bool = False
    """Whether to do so."""
    name: str = "n3pc"
    """Query parameter that marks a request which came back."""
    fallback_network_user_id: str = "00000000-0000-4000-A000-000000000000"
    """Id for browsers that came back without a cookie."""
    forwarded_protocol_header: str | None = None
    """Request header that names the visitor's protocol (`http`, `https`); used where the request line holds a full address."""

    @field_validator("name")
    @classmethod
    def _parameter(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._~-]+", value):
            raise ValueError("must be letters, digits, `.`, `_`, `~` or `-`")
        return value

    @field_validator("fallback_network_user_id")
    @classmethod
    def _uuid(cls, value: str) -> str:
        if not UUID.fullmatch(value):
            raise ValueError("must be a UUID")
        return value


class RedirectSettings(Section):
    """`/r/…?u=<address>`: stores the click, then sends the visitor on."""

    enabled: bool = False
    """Whether `/r/…` is served. Paths mapped to `/r/…` redirect either way."""
    domains: tuple[str, ...] = ()
    """Hosts visitors may be sent to, compared whole and without regard to case; nobody is sent anywhere else."""


class RootSettings(Section):
    """What `GET /` answers."""

    enabled: bool = False
    """Off: 404."""
    status: Annotated[int, Field(ge=200, le=599)] = 302
    """Status code."""
    headers: dict[str, str] = Field(default={})
    """Headers, such as `Location`."""
    body: str = ""
    """Body, sent as UTF-8; none goes with 204 and 304."""

    @field_validator("headers")
    @classmethod
    def _sendable(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not TOKEN.fullmatch(name) or not _PLAIN.fullmatch(text):
                raise ValueError(f"header {name!r} cannot be sent")
            if name.lower() in ("content-length", "transfer-encoding", "connection"):
                raise ValueError(f"header {name!r} is set by the server")
        return value


class CrossDomainSettings(Section):
    """`GET /crossdomain.xml`, the policy file of Flash-era clients."""

    enabled: bool = False
    """Off: 404."""
    domains: tuple[str, ...] = ("*",)
    """Domains the policy names."""
    secure: bool = True
    """Whether it asks for HTTPS."""

    @field_validator("domains")
    @classmethod
    def _quotable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for domain in value:
            if not re.fullmatch(r"[A-Za-z0-9.*_:-]+", domain):
                raise ValueError(f"{domain!r} is not a domain")
        return value


class CorsSettings(Section):
    """Requests from pages of other origins."""

    max_age: Annotated[float, Field(ge=-1, le=_CENTURY)] = 3600
    """How long browsers may remember a preflight answer; -1 forbids it."""


class HstsSettings(Section):
    """Strict-Transport-Security."""

    enabled: bool = False
    """Whether every answer carries it."""
    max_age: Lifetime = 31_536_000
    """How long browsers must insist on HTTPS, subdomains included."""


class LimitSettings(Section):
    """Bounds on sizes and counts."""

    record_bytes: Bytes = 10_000_000
    """Largest record put on the bus; a larger request is split between its events, or becomes a bad row."""
    payload_bytes: Bytes = 20_971_520
    """A request above `record_bytes` is split only up to this size."""
    body_bytes: Bytes = 20_971_520
    """Bodies this long or longer become a bad row, answered with 200, as trackers would send them again for ever. The default has
    room for the whole buffer that a server-side tracker sends after an outage."""
    request_line_bytes: Bytes = 20_480
    """Longest request line."""
    headers_bytes: Bytes = 40_960
    """Most bytes all headers of a request may take."""
    connections: Bytes = 10_000
    """Most connections open at a time; further ones are told to come back."""
    memory_bytes: Bytes = 128_000_000
    """Most bytes of requests being read or waiting to be stored; beyond it trackers are told to come back."""

    @model_validator(mode="after")
    def _largest_body_fits(self) -> "LimitSettings":
        if self.memory_bytes < self.body_bytes:
            raise ValueError("memory_bytes must not be below body_bytes, or the longest bodies would never find room")
        return self


class TimeoutSettings(Section):
    """How long the collector waits."""

    headers: Seconds = 10
    """For the headers of a request."""
    body: Seconds = 25
    """For the body of a request."""
    store: Annotated[float, Field(gt=0)] = 4
    """For the bus; then the tracker is told to come back. JavaScript trackers give up after 5."""
    idle: Seconds = 610
    """For the next request on an open connection. Load balancers keep theirs for 600."""
    drain: Seconds = 10
    """For requests under way once the collector was told to stop."""
    pre_stop: Seconds = 0
    """Before that: /health already fails, requests are still served, so that a load balancer can take notice."""
    retry_after: Annotated[int, Field(ge=0)] = 10
    """What trackers are told when they must come back."""


class TlsSettings(Section):
    """HTTPS instead of HTTP."""

    certificate: str | None = None
    """File with the certificate chain, PEM."""
    key: str | None = None
    """File with its key, PEM; unset when the certificate file holds it."""


class CollectorSettings(Section):
    """`[collector]`."""

    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` or `::` for all."""
    port: Port = 9090
    """Port to listen on; 0 takes a free one."""
    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """Name stored with each request (`v_collector`); by default `snowmelt-<version>-<bus>`."""
    trusted_hops: Annotated[int, Field(ge=0)] | None = None
    """Proxies in front that append to X-Forwarded-For: the client is the entry that many from the right. Unset: the leftmost."""
    paths: dict[str, str] = Field(default={})
    """Own paths, `/vendor/version` each, and the path that is stored in their place: `{"/acme/track" = "/…snowplow/tp2"}`."""
    cookie: CookieSettings = CookieSettings()
    do_not_track: DoNotTrackSettings = DoNotTrackSettings()
    bounce: BounceSettings = BounceSettings()
    redirects: RedirectSettings = RedirectSettings()
    root: RootSettings = RootSettings()
    crossdomain: CrossDomainSettings = CrossDomainSettings()
    cors: CorsSettings = CorsSettings()
    hsts: HstsSettings = HstsSettings()
    limits: LimitSettings = LimitSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    tls: TlsSettings = TlsSettings()

    def fitting(self, largest_record: int | None) -> "CollectorSettings":
        """With records no larger than the bus takes; a request that would be is split, or becomes a `size_violation`."""
        if largest_record is None or self.limits.record_bytes <= largest_record:
            return self
        limits = self.limits.model_copy(update={"record_bytes": largest_record})
        return self.model_copy(update={"limits": limits})
