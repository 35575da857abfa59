"""Self-describing data of an event: unpacked from the parameters, each piece validated on its own.

A wrapper that is wrong loses everything in it, with one violation; a wrong entity loses only itself.
"""

import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple

from backbone import jsontext
from backbone.iglu.validator import Validator
from backbone.selfdescribing import Criterion, InvalidIglu, SchemaKey, SelfDescribing, from_value, parse_criterion, parse_key
from enricher import text
from enricher.violations import BrokenSchema, CriterionMismatch, NotIglu, NotJson, Violation

UNSTRUCT = parse_criterion("iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-*")
CONTEXTS = parse_criterion("iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-*")
_VALIDATION_INFO = parse_key("iglu:com.snowplowanalytics.iglu/validation_info/jsonschema/1-0-0")


class Wrapped(NamedTuple):
    """What a wrapper held: its data, and whether it is free of literal numbers."""

    data: Any
    exact: bool


class Inputs:
    """An event's own self-describing data, valid, with what was wrong and what was validated against another version."""

    __slots__ = ("contexts", "superseded", "unstruct", "violations")

    def __init__(self) -> None:
        self.unstruct: SelfDescribing | None = None
        self.contexts: list[SelfDescribing] = []
        self.violations: list[Violation] = []
        self.superseded: dict[SchemaKey, SchemaKey] = {}

    def validation_info(self) -> list[SelfDescribing]:
        return [
            SelfDescribing(_VALIDATION_INFO, {"originalSchema": original.uri, "validatedWith": str(used.version)})
            for original, used in self.superseded.items()
        ]


def unpack(parameters: Mapping[str, str | None], validator: Validator, max_depth: int) -> Inputs:
    """Raises RegistryUnavailable."""
    inputs = Inputs()
    raw = _parameter(parameters, "ue_pr", "ue_px")
    if raw is not None:
        found = _unwrap("unstruct", raw, UNSTRUCT, validator, max_depth)
        if isinstance(found, Wrapped):
            inputs.unstruct = _valid("unstruct", found.data, found.exact, validator, inputs)
        else:
            inputs.violations.append(found)
    raw = _parameter(parameters, "co", "cx")
    if raw is not None:
        found = _unwrap("contexts", raw, CONTEXTS, validator, max_depth)
        if isinstance(found, Wrapped):
            for item in found.data:
                entity = _valid("contexts", item, found.exact, validator, inputs)
                if entity is not None:
                    inputs.contexts.append(entity)
        else:
            inputs.violations.append(found)
    return inputs


def validate_derived(
    entities: list[SelfDescribing], validator: Validator, inputs: Inputs
) -> tuple[list[SelfDescribing], list[Violation]]:
    """(entities that are valid, what is wrong with the others). Raises RegistryUnavailable."""
    valid: list[SelfDescribing] = []
    violations: list[Violation] = []
    for entity in entities:
        problem = _check("derived_contexts", entity, validator, inputs)
        if problem is None:
            valid.append(entity)
        else:
            violations.append(problem)
    return valid, violations


def _parameter(parameters: Mapping[str, str | None], plain: str, base64: str) -> str | None:
    encoded = parameters.get(base64)
    return parameters.get(plain) if encoded is None else decode_base64(encoded)


_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_JUNK = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"))


def decode_base64(value: str) -> str:
    """Never fails: both alphabets, padding optional and the end, anything else skipped, a lone last character dropped."""
    data = value.partition("=")[0].encode("ascii", "ignore").translate(_URL_SAFE, _JUNK)
    odd = len(data) % 4
    if odd == 1:
        data = data[:-1]
    elif odd:
        data += b"=" * (4 - odd)
    return text.decode(binascii.a2b_base64(data))


def parse_json(field: str, raw: str, max_depth: int) -> tuple[Any, bool] | NotJson:
    """(value, exact), or why the text is no JSON or too deep."""
    try:
        value, exact = jsontext.loads(raw)
    except jsontext.JsonError as error:
        return NotJson(field, raw, str(error))
    if raw.count("{") + raw.count("[") >= max_depth and jsontext.depth(value, max_depth) > max_depth:
        return NotJson(field, raw, str(jsontext.JsonTooDeep()))
    return value, exact


def _unwrap(source: str, raw: str, criterion: Criterion, validator: Validator, max_depth: int) -> Wrapped | Violation:
    parsed = parse_json(source, raw, max_depth)
    if isinstance(parsed, NotJson):
        return parsed
    value, exact = parsed
    try:
        wrapper = from_value(value, exact)
    except InvalidIglu as error:
        return NotIglu(source, value, error.code)
    if not criterion.matches(wrapper.key):
        return CriterionMismatch(source, wrapper.key, criterion, wrapper.data)
    checked = validator.check(wrapper)
    if not isinstance(checked, SchemaKey):
        return BrokenSchema(source, wrapper.key, checked, wrapper.data)
    return Wrapped(wrapper.data, exact)


def _valid(source: str, item: Any, exact: bool, validator: Validator, inputs: Inputs) -> SelfDescribing | None:
    try:
        entity = from_value(item, exact)
    except InvalidIglu as error:
        inputs.violations.append(NotIglu(source, item, error.code))
        return None
    problem = _check(source, entity, validator, inputs)
    if problem is not None:
        inputs.violations.append(problem)
        return None
    return entity


def _check(source: str, entity: SelfDescribing, validator: Validator, inputs: Inputs) -> BrokenSchema | None:
    """Gives the entity the key it was validated with."""
    checked = validator.check(entity)
    if not isinstance(checked, SchemaKey):
        return BrokenSchema(source, entity.key, checked, entity.data)
    if checked != entity.key:
        inputs.superseded[entity.key] = checked
        entity.key = checked
    return None
