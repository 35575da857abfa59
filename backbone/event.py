"""The canonical event: 131 fields in the order of the enriched TSV line, their types and length limits.

An `Event` holds values ready to be written, `None` meaning empty:

| kind | Python value |
|---|---|
| TEXT | `str`, already free of tabs and control characters |
| INTEGER, FLAG | `int` (flags 0 or 1) |
| FLOAT | `float`, a single-precision value |
| DECIMAL | `str`, plain decimal text |
| TIMESTAMP | `str`, `yyyy-MM-dd HH:mm:ss.SSS`, UTC |
| JSON | `contexts`, `derived_contexts`: list of `SelfDescribing`; `unstruct_event`: one `SelfDescribing` |

Order, types and limits: spec of Snowplow's canonical event model; `page_url`, `page_referrer` and `mkt_clickid` carry the
limits the enricher applies (10,000 and 1,000), not those of the atomic JSON schema.
"""

from enum import Enum
from typing import NamedTuple

from backbone.selfdescribing import SelfDescribing


class Kind(Enum):
    TEXT = "text"
    INTEGER = "integer"
    FLAG = "flag"
    FLOAT = "float"
    DECIMAL = "decimal"
    TIMESTAMP = "timestamp"
    JSON = "json"


class Field(NamedTuple):
    """One column. `limit` counts UTF-16 code units; `None` means unlimited."""

    name: str
    kind: Kind
    limit: int | None


FIELDS: tuple[Field, ...] = (
    Field("app_id", Kind.TEXT, 255),
    Field("platform", Kind.TEXT, 255),
    Field("etl_tstamp", Kind.TIMESTAMP, None),
    Field("collector_tstamp", Kind.TIMESTAMP, None),
    Field("dvce_created_tstamp", Kind.TIMESTAMP, None),
    Field("event", Kind.TEXT, 128),
    Field("event_id", Kind.TEXT, 36),
    Field("txn_id", Kind.INTEGER, None),
    Field("name_tracker", Kind.TEXT, 128),
    Field("v_tracker", Kind.TEXT, 100),
    Field("v_collector", Kind.TEXT, 100),
    Field("v_etl", Kind.TEXT, 100),
    Field("user_id", Kind.TEXT, 255),
    Field("user_ipaddress", Kind.TEXT, 128),
    Field("user_fingerprint", Kind.TEXT, 128),
    Field("domain_userid", Kind.TEXT, 128),
    Field("domain_sessionidx", Kind.INTEGER, None),
    Field("network_userid", Kind.TEXT, 128),
    Field("geo_country", Kind.TEXT, 2),
    Field("geo_region", Kind.TEXT, 3),
    Field("geo_city", Kind.TEXT, 75),
    Field("geo_zipcode", Kind.TEXT, 15),
    Field("geo_latitude", Kind.FLOAT, None),
    Field("geo_longitude", Kind.FLOAT, None),
    Field("geo_region_name", Kind.TEXT, 100),
    Field("ip_isp", Kind.TEXT, 100),
    Field("ip_organization", Kind.TEXT, 128),
    Field("ip_domain", Kind.TEXT, 128),
    Field("ip_netspeed", Kind.TEXT, 100),
    Field("page_url", Kind.TEXT, 10000),
    Field("page_title", Kind.TEXT, 2000),
    Field("page_referrer", Kind.TEXT, 10000),
    Field("page_urlscheme", Kind.TEXT, 16),
    Field("page_urlhost", Kind.TEXT, 255),
    Field("page_urlport", Kind.INTEGER, None),
    Field("page_urlpath", Kind.TEXT, 3000),
    Field("page_urlquery", Kind.TEXT, 6000),
    Field("page_urlfragment", Kind.TEXT, 3000),
    Field("refr_urlscheme", Kind.TEXT, 16),
    Field("refr_urlhost", Kind.TEXT, 255),
    Field("refr_urlport", Kind.INTEGER, None),
    Field("refr_urlpath", Kind.TEXT, 6000),
    Field("refr_urlquery", Kind.TEXT, 6000),
    Field("refr_urlfragment", Kind.TEXT, 3000),
    Field("refr_medium", Kind.TEXT, 25),
    Field("refr_source", Kind.TEXT, 50),
    Field("refr_term", Kind.TEXT, 255),
    Field("mkt_medium", Kind.TEXT, 255),
    Field("mkt_source", Kind.TEXT, 255),
    Field("mkt_term", Kind.TEXT, 255),
    Field("mkt_content", Kind.TEXT, 500),
    Field("mkt_campaign", Kind.TEXT, 255),
    Field("contexts", Kind.JSON, None),
    Field("se_category", Kind.TEXT, 1000),
    Field("se_action", Kind.TEXT, 1000),
    Field("se_label", Kind.TEXT, 4096),
    Field("se_property", Kind.TEXT, 1000),
    Field("se_value", Kind.DECIMAL, None),
    Field("unstruct_event", Kind.JSON, None),
    Field("tr_orderid", Kind.TEXT, 255),
    Field("tr_affiliation", Kind.TEXT, 255),
    Field("tr_total", Kind.DECIMAL, None),
    Field("tr_tax", Kind.DECIMAL, None),
    Field("tr_shipping", Kind.DECIMAL, None),
    Field("tr_city", Kind.TEXT, 255),
    Field("tr_state", Kind.TEXT, 255),
    Field("tr_country", Kind.TEXT, 255),
    Field("ti_orderid", Kind.TEXT, 255),
    Field("ti_sku", Kind.TEXT, 255),
    Field("ti_name", Kind.TEXT, 255),
    Field("ti_category", Kind.TEXT, 255),
    Field("ti_price", Kind.DECIMAL, None),
    Field("ti_quantity", Kind.INTEGER, None),
    Field("pp_xoffset_min", Kind.INTEGER, None),
    Field("pp_xoffset_max", Kind.INTEGER, None),
    Field("pp_yoffset_min", Kind.INTEGER, None),
    Field("pp_yoffset_max", Kind.INTEGER, None),
    Field("useragent", Kind.TEXT, 1000),
    Field("br_name", Kind.TEXT, 50),
    Field("br_family", Kind.TEXT, 50),
    Field("br_version", Kind.TEXT, 50),
    Field("br_type", Kind.TEXT, 50),
    Field("br_renderengine", Kind.TEXT, 50),
    Field("br_lang", Kind.TEXT, 255),
    Field("br_features_pdf", Kind.FLAG, None),
    Field("br_features_flash", Kind.FLAG, None),
    Field("br_features_java", Kind.FLAG, None),
    Field("br_features_director", Kind.FLAG, None),
    Field("br_features_quicktime", Kind.FLAG, None),
    Field("br_features_realplayer", Kind.FLAG, None),
    Field("br_features_windowsmedia", Kind.FLAG, None),
    Field("br_features_gears", Kind.FLAG, None),
    Field("br_features_silverlight", Kind.FLAG, None),
    Field("br_cookies", Kind.FLAG, None),
    Field("br_colordepth", Kind.TEXT, 12),
    Field("br_viewwidth", Kind.INTEGER, None),
    Field("br_viewheight", Kind.INTEGER, None),
    Field("os_name", Kind.TEXT, 50),
    Field("os_family", Kind.TEXT, 50),
    Field("os_manufacturer", Kind.TEXT, 50),
    Field("os_timezone", Kind.TEXT, 255),
    Field("dvce_type", Kind.TEXT, 50),
    Field("dvce_ismobile", Kind.FLAG, None),
    Field("dvce_screenwidth", Kind.INTEGER, None),
    Field("dvce_screenheight", Kind.INTEGER, None),
    Field("doc_charset", Kind.TEXT, 128),
    Field("doc_width", Kind.INTEGER, None),
    Field("doc_height", Kind.INTEGER, None),
    Field("tr_currency", Kind.TEXT, 3),
    Field("tr_total_base", Kind.DECIMAL, None),
    Field("tr_tax_base", Kind.DECIMAL, None),
    Field("tr_shipping_base", Kind.DECIMAL, None),
    Field("ti_currency", Kind.TEXT, 3),
    Field("ti_price_base", Kind.DECIMAL, None),
    Field("base_currency", Kind.TEXT, 3),
    Field("geo_timezone", Kind.TEXT, 64),
    Field("mkt_clickid", Kind.TEXT, 1000),
    Field("mkt_network", Kind.TEXT, 64),
    Field("etl_tags", Kind.TEXT, 500),
    Field("dvce_sent_tstamp", Kind.TIMESTAMP, None),
    Field("refr_domain_userid", Kind.TEXT, 128),
    Field("refr_dvce_tstamp", Kind.TIMESTAMP, None),
    Field("derived_contexts", Kind.JSON, None),
    Field("domain_sessionid", Kind.TEXT, 128),
    Field("derived_tstamp", Kind.TIMESTAMP, None),
    Field("event_vendor", Kind.TEXT, 1000),
    Field("event_name", Kind.TEXT, 1000),
    Field("event_format", Kind.TEXT, 128),
    Field("event_version", Kind.TEXT, 128),
    Field("event_fingerprint", Kind.TEXT, 128),
    Field("true_tstamp", Kind.TIMESTAMP, None),
)

COLUMNS: tuple[str, ...] = tuple(field.name for field in FIELDS)
POSITION: dict[str, int] = {name: index for index, name in enumerate(COLUMNS)}
JSON_COLUMNS = ("contexts", "unstruct_event", "derived_contexts")
ATOMIC: tuple[Field, ...] = tuple(field for field in FIELDS if field.kind is not Kind.JSON)
"""The 128 columns of the `events` table that are not self-describing data, in order."""


class Event:
    """One event under enrichment. Only fields that were set live in the instance; the rest read as the defaults below."""

    app_id: str | None = None
    platform: str | None = None
    etl_tstamp: str | None = None
    collector_tstamp: str | None = None
    dvce_created_tstamp: str | None = None
    event: str | None = None
    event_id: str | None = None
    txn_id: int | None = None
    name_tracker: str | None = None
    v_tracker: str | None = None
    v_collector: str | None = None
    v_etl: str | None = None
    user_id: str | None = None
    user_ipaddress: str | None = None
    user_fingerprint: str | None = None
    domain_userid: str | None = None
    domain_sessionidx: int | None = None
    network_userid: str | None = None
    geo_country: str | None = None
    geo_region: str | None = None
    geo_city: str | None = None
    geo_zipcode: str | None = None
    geo_latitude: float | None = None
    geo_longitude: float | None = None
    geo_region_name: str | None = None
    ip_isp: str | None = None
    ip_organization: str | None = None
    ip_domain: str | None = None
    ip_netspeed: str | None = None
    page_url: str | None = None
    page_title: str | None = None
    page_referrer: str | None = None
    page_urlscheme: str | None = None
    page_urlhost: str | None = None
    page_urlport: int | None = None
    page_urlpath: str | None = None
    page_urlquery: str | None = None
    page_urlfragment: str | None = None
    refr_urlscheme: str | None = None
    refr_urlhost: str | None = None
    refr_urlport: int | None = None
    refr_urlpath: str | None = None
    refr_urlquery: str | None = None
    refr_urlfragment: str | None = None
    refr_medium: str | None = None
    refr_source: str | None = None
    refr_term: str | None = None
    mkt_medium: str | None = None
    mkt_source: str | None = None
    mkt_term: str | None = None
    mkt_content: str | None = None
    mkt_campaign: str | None = None
    contexts: tuple[SelfDescribing, ...] | list[SelfDescribing] = ()
    se_category: str | None = None
    se_action: str | None = None
    se_label: str | None = None
    se_property: str | None = None
    se_value: str | None = None
    unstruct_event: SelfDescribing | None = None
    tr_orderid: str | None = None
    tr_affiliation: str | None = None
    tr_total: str | None = None
    tr_tax: str | None = None
    tr_shipping: str | None = None
    tr_city: str | None = None
    tr_state: str | None = None
    tr_country: str | None = None
    ti_orderid: str | None = None
    ti_sku: str | None = None
    ti_name: str | None = None
    ti_category: str | None = None
    ti_price: str | None = None
    ti_quantity: int | None = None
    pp_xoffset_min: int | None = None
    pp_xoffset_max: int | None = None
    pp_yoffset_min: int | None = None
    pp_yoffset_max: int | None = None
    useragent: str | None = None
    br_name: str | None = None
    br_family: str | None = None
    br_version: str | None = None
    br_type: str | None = None
    br_renderengine: str | None = None
    br_lang: str | None = None
    br_features_pdf: int | None = None
    br_features_flash: int | None = None
    br_features_java: int | None = None
    br_features_director: int | None = None
    br_features_quicktime: int | None = None
    br_features_realplayer: int | None = None
    br_features_windowsmedia: int | None = None
    br_features_gears: int | None = None
    br_features_silverlight: int | None = None
    br_cookies: int | None = None
    br_colordepth: str | None = None
    br_viewwidth: int | None = None
    br_viewheight: int | None = None
    os_name: str | None = None
    os_family: str | None = None
    os_manufacturer: str | None = None
    os_timezone: str | None = None
    dvce_type: str | None = None
    dvce_ismobile: int | None = None
    dvce_screenwidth: int | None = None
    dvce_screenheight: int | None = None
    doc_charset: str | None = None
    doc_width: int | None = None
    doc_height: int | None = None
    tr_currency: str | None = None
    tr_total_base: str | None = None
    tr_tax_base: str | None = None
    tr_shipping_base: str | None = None
    ti_currency: str | None = None
    ti_price_base: str | None = None
    base_currency: str | None = None
    geo_timezone: str | None = None
    mkt_clickid: str | None = None
    mkt_network: str | None = None
    etl_tags: str | None = None
    dvce_sent_tstamp: str | None = None
    refr_domain_userid: str | None = None
    refr_dvce_tstamp: str | None = None
    derived_contexts: tuple[SelfDescribing, ...] | list[SelfDescribing] = ()
    domain_sessionid: str | None = None
    derived_tstamp: str | None = None
    event_vendor: str | None = None
    event_name: str | None = None
    event_format: str | None = None
    event_version: str | None = None
    event_fingerprint: str | None = None
    true_tstamp: str | None = None
