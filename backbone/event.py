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

from backbone.fields import FIELDS, Field, Kind
from backbone.selfdescribing import SelfDescribing

__all__ = ["ATOMIC", "COLUMNS", "FIELDS", "JSON_COLUMNS", "POSITION", "Event", "Field", "Kind"]

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
