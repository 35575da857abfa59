"""Self-describing JSON in its wrapper, opened for a patch and closed again as it came."""

import base64
import binascii
from typing import Any, NamedTuple

from backbone import jsontext
from backbone.selfdescribing import Criterion, InvalidIglu, from_value, parse_criterion

Json = dict[str, Any]

UNSTRUCT = parse_criterion("iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-*")
CONTEXTS = parse_criterion("iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-*")
_NEW = {
    UNSTRUCT: "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
    CONTEXTS: "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1",
}


class Unfit(ValueError):
    """What a patch made cannot be sent; the text says why."""


class Wrapped(NamedTuple):
    """`inside` is what the patch sees. `wrapper` None: the wrapper itself is wrong, so `inside` is the whole."""

    text: str
    inside: Any
    wrapper: Json | None

    def closed(self, inside: Any) -> str:
        """The text for data that a patch may have changed; the very text that came where it did not."""
        if same(inside, self.inside):
            return self.text
        return jsontext.dumps(inside if self.wrapper is None else {**self.wrapper, "data": inside}, exact=False)


def opened(text: str | None, criterion: Criterion) -> Wrapped | None:
    """None where there is no JSON object."""
    try:
        value, _ = jsontext.loads(text or "")
    except jsontext.JsonError:
        return None
    if type(value) is not dict:
        return None
    try:
        right = criterion.matches(from_value(value).key)
    except InvalidIglu:
        right = False
    return Wrapped(text or "", value["data"] if right else value, value if right else None)


def new(inside: Any, criterion: Criterion) -> str:
    """The text of data that had none before."""
    return jsontext.dumps({"schema": _NEW[criterion], "data": inside}, exact=False)


def from_base64(text: str) -> str | None:
    """None where it is not the base64 of a text. Both alphabets, padding optional."""
    plain = text.partition("=")[0].replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4)).decode("utf-8")
    except (binascii.Error, ValueError):
        return None


def to_base64(text: str) -> str:
    """URL-safe and without padding, as trackers write it."""
    return base64.urlsafe_b64encode(text.encode("utf-8", "replace")).decode().rstrip("=")


def same(one: Any, other: Any) -> bool:
    """Whether two values are written alike, the order of keys aside."""
    return jsontext.dumps(_ordered(one), exact=False) == jsontext.dumps(_ordered(other), exact=False)


def _ordered(value: Any) -> Any:
    if type(value) is dict:
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(item) for item in value] if type(value) is list else value


def text_or_none(value: Any, name: str) -> str | None:
    """Raises Unfit."""
    if value is None or type(value) is str:
        return value
    raise Unfit(f"`{name}` must be text or null")


def objects_only(value: Any, name: str) -> Json:
    """Raises Unfit."""
    if type(value) is not dict:
        raise Unfit(f"`{name}` must be an object")
    return value
