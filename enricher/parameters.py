"""Tracker parameter → event field: one table.

A parameter without a value is skipped; one with an empty value is not (it empties a text, and is an error elsewhere). An error
never stops the mapping: the field keeps what it had.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from enricher import converters
from enricher.converters import Converted
from enricher.map_order import map_order
from enricher.text import clean

Fields = dict[str, Any]
Put = Callable[[Fields, str], str | None]
"""Sets a field from a parameter's text; answers what is wrong with it."""


class ParameterError(NamedTuple):
    parameter: str
    value: str
    message: str


def _text(column: str) -> Put:
    def put(fields: Fields, value: str) -> None:
        fields[column] = value if value and value.isprintable() else clean(value)

    return put


def _address(column: str) -> Put:
    def put(fields: Fields, value: str) -> None:
        fields[column] = clean(converters.first_address(value))

    return put


def _converted(column: str, convert: Callable[[str], Converted]) -> Put:
    def put(fields: Fields, value: str) -> str | None:
        converted, problem = convert(value)
        if problem is None:
            fields[column] = converted
        return problem

    return put


def _pair(first: str, second: str) -> Put:
    def put(fields: Fields, value: str) -> str | None:
        converted, problem = converters.dimensions(value)
        if problem is None:
            fields[first], fields[second] = converted
        return problem

    return put


_TEXTS = {
    "aid": "app_id",
    "tna": "name_tracker",
    "tv": "v_tracker",
    "cv": "v_collector",
    "tz": "os_timezone",
    "uid": "user_id",
    "duid": "domain_userid",
    "nuid": "network_userid",
    "tnuid": "network_userid",
    "ua": "useragent",
    "fp": "user_fingerprint",
    "lang": "br_lang",
    "page": "page_title",
    "url": "page_url",
    "refr": "page_referrer",
    "cs": "doc_charset",
    "cd": "br_colordepth",
    "se_ca": "se_category",
    "se_ac": "se_action",
    "se_la": "se_label",
    "se_pr": "se_property",
    "ev_ca": "se_category",
    "ev_ac": "se_action",
    "ev_la": "se_label",
    "ev_pr": "se_property",
    "tr_id": "tr_orderid",
    "tr_af": "tr_affiliation",
    "tr_ci": "tr_city",
    "tr_st": "tr_state",
    "tr_co": "tr_country",
    "tr_cu": "tr_currency",
    "ti_id": "ti_orderid",
    "ti_sk": "ti_sku",
    "ti_nm": "ti_name",
    "ti_na": "ti_name",
    "ti_ca": "ti_category",
    "ti_cu": "ti_currency",
}
_INTEGERS = {
    "tid": "txn_id",
    "vid": "domain_sessionidx",
    "ti_qu": "ti_quantity",
    "pp_mix": "pp_xoffset_min",
    "pp_max": "pp_xoffset_max",
    "pp_miy": "pp_yoffset_min",
    "pp_may": "pp_yoffset_max",
}
_DECIMALS = {
    "se_va": "se_value",
    "ev_va": "se_value",
    "tr_tt": "tr_total",
    "tr_tx": "tr_tax",
    "tr_sh": "tr_shipping",
    "ti_pr": "ti_price",
}
_FLAGS = {
    "cookie": "br_cookies",
    "f_pdf": "br_features_pdf",
    "f_fla": "br_features_flash",
    "f_java": "br_features_java",
    "f_dir": "br_features_director",
    "f_qt": "br_features_quicktime",
    "f_realp": "br_features_realplayer",
    "f_wma": "br_features_windowsmedia",
    "f_gears": "br_features_gears",
    "f_ag": "br_features_silverlight",
}
_TIMESTAMPS = {"dtm": "dvce_created_tstamp", "stm": "dvce_sent_tstamp", "ttm": "true_tstamp"}
_UUIDS = {"eid": "event_id", "sid": "domain_sessionid"}

TABLE: dict[str, Put] = {
    **{name: _text(column) for name, column in _TEXTS.items()},
    **{name: _converted(column, converters.integer) for name, column in _INTEGERS.items()},
    **{name: _converted(column, converters.decimal) for name, column in _DECIMALS.items()},
    **{name: _converted(column, converters.flag) for name, column in _FLAGS.items()},
    **{name: _converted(column, converters.timestamp) for name, column in _TIMESTAMPS.items()},
    **{name: _converted(column, converters.uuid) for name, column in _UUIDS.items()},
    "e": _converted("event", converters.event),
    "p": _converted("platform", converters.platform),
    "ip": _address("user_ipaddress"),
    "res": _pair("dvce_screenwidth", "dvce_screenheight"),
    "vp": _pair("br_viewwidth", "br_viewheight"),
    "ds": _pair("doc_width", "doc_height"),
}
"""Every parameter that sets fields; `co`, `cx`, `ue_pr` and `ue_px` are read by `enricher.entities`."""

_STRONGER = {
    "nuid": "tnuid",
    "ti_na": "ti_nm",
    "ev_ca": "se_ca",
    "ev_ac": "se_ac",
    "ev_la": "se_la",
    "ev_pr": "se_pr",
    "ev_va": "se_va",
}
"""Where two parameters set one field, the second wins whatever their order."""


def apply(parameters: Mapping[str, str | None], fields: Fields) -> list[ParameterError]:
    """Sets what the parameters say in `fields`; answers what could not be set."""
    errors: list[ParameterError] = []
    for name, value in parameters.items():
        if value is not None:
            column = _TEXTS.get(name)
            if column is not None:  # the usual kind, without a call
                fields[column] = value if value and value.isprintable() else clean(value)
            elif (put := TABLE.get(name)) is not None:
                problem = put(fields, value)
                if problem is not None:
                    errors.append(ParameterError(name, value, problem))
    if not _STRONGER.keys().isdisjoint(parameters):
        for weak, strong in _STRONGER.items():
            if weak in parameters and (value := parameters.get(strong)) is not None:
                TABLE[strong](fields, value)
    return _in_order(errors, parameters) if len(errors) > 1 else errors


def _in_order(errors: list[ParameterError], parameters: Mapping[str, str | None]) -> list[ParameterError]:
    """Latest first, as Snowplow Enrich collects them."""
    given = map_order([name for name, value in parameters.items() if value is not None])
    place = {name: index for index, name in enumerate(given)}
    return sorted(errors, key=lambda error: place[error.parameter], reverse=True)
