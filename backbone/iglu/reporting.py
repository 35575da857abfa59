"""Says what is wrong with a datum, in the words of Snowplow's validator (networknt json-schema-validator 1.0.76, draft 4).

This is the authority on validity; `validator` asks it only about data that the fast engine does not accept. Parts of a schema
are compiled when a datum first reaches them, so that a broken part (a bad pattern, a `$ref` to nowhere) makes those data fail
that need it, as upstream, where it kills the process instead: here it is an `InvalidSchema`.

Reproduced on purpose: `$ref` does not hide its siblings; a remote `$ref` accepts everything; `nullable: true` admits null, in
the schema and in its direct children; names starting with `#` are never additional; within `oneOf`, the reports of a branch
that lacks a required property are dropped. Corrected on purpose: sizes beyond 32 bits, and `~0`, `~1` in `$ref`. Of one object
or array no more than about a thousand faults are reported.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from backbone import jsontext
from backbone.iglu.failures import Issue, Report
from backbone.iglu.json_values import type_name

MAX_REPORTS = 1_000
"""Faults after which the rest of an object or array is not looked at: a megabyte of wrong items must not become gigabytes."""


class InvalidSchema(Exception):
    """The part of a schema that a datum needs cannot be used."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.issue = Issue(path, message)


class Found(NamedTuple):
    """A report, and the place in the schema it comes from: the same report from two places counts twice."""

    report: Report
    place: str


class State:
    """Upstream's bookkeeping while branches of `oneOf` and `anyOf` are tried."""

    __slots__ = ("active", "in_branch", "matched")

    def __init__(self) -> None:
        self.in_branch = False
        self.matched = True
        self.active: set[tuple[int, int]] = set()


Check = Callable[[Any, str, State], Iterable[Found]]
"""A compiled keyword: value, its path, state → what is wrong."""
Keyword = Callable[["Node", Any], Check | None]
"""Compiles a keyword's value; None where it can never fail."""


class Node:
    """One schema object within a document. `place` as upstream names it, `location` as a path for people."""

    __slots__ = ("_checks", "location", "parent", "place", "root", "schema")

    def __init__(self, root: "Reporter", schema: Any, place: str, location: str, parent: "Node | None") -> None:
        self.root = root
        self.schema = schema
        self.place = place
        self.location = location
        self.parent = parent
        self._checks: list[Check] | None = None

    @property
    def nullable(self) -> bool:
        """Admits null, by its own word or by that of the schema around it."""
        return _says_nullable(self.schema) or (self.parent is not None and _says_nullable(self.parent.schema))

    def child(self, schema: Any, place: str, location: str) -> "Node":
        return Node(self.root, schema, place, f"{self.location}.{location}", self)

    def validate(self, value: Any, at: str, state: State) -> list[Found]:
        if self._checks is None:
            self._checks = self._compile()
        found: list[Found] = []
        for check in self._checks:
            found.extend(check(value, at, state))
        return found

    def found(self, keyword: str, at: str, message: str, targets: tuple[str, ...], reported_as: str | None = None) -> Found:
        return Found(Report(message, at, reported_as or keyword, targets), f"{self.place}/{keyword}")

    def _compile(self) -> list[Check]:
        if type(self.schema) is not dict:
            return []
        known = self.root.keywords
        names = sorted((name for name in self.schema if name in known), key=lambda name: (name != "properties", name))
        checks = (known[name](self, self.schema[name]) for name in names)
        return [check for check in checks if check is not None]


def _says_nullable(schema: Any) -> bool:
    return type(schema) is dict and schema.get("nullable") is True


class Reporter:
    """Reports on data against one schema document."""

    def __init__(self, document: Any, keywords: Mapping[str, "Keyword"]) -> None:
        self.document = document
        self.keywords = keywords
        self._references: dict[str, Node | None] = {}
        identifier = document.get("id") if type(document) is dict else None
        self._base = identifier if isinstance(identifier, str) else ""
        self._node = Node(self, document, "#", "$", None)

    def reports(self, value: Any) -> list[Report]:
        """Empty for a valid datum. Raises InvalidSchema."""
        try:
            found = self._node.validate(value, "$", State())
        except RecursionError:
            raise InvalidSchema("$", "the schema and the data are nested too deeply") from None
        return [item.report for item in dict.fromkeys(found)]

    def reference(self, node: Node, target: Any) -> Node | None:
        """The schema a `$ref` names; None for a remote one, which accepts everything. Raises InvalidSchema."""
        if not isinstance(target, str):
            raise InvalidSchema(f"{node.location}.$ref", "$ref must be a string")
        if target not in self._references:
            self._references[target] = self._resolve(node, target)
        return self._references[target]

    def _resolve(self, node: Node, target: str) -> Node | None:
        if not target.startswith("#"):
            uri, fragment = urldefrag(urljoin(self._base, target))
            if urlsplit(uri).scheme in ("http", "https") and not fragment:
                return None
            raise InvalidSchema(f"{node.location}.$ref", f"Reference {target} cannot be resolved")
        if target == "#":
            return self._node
        schema = local_reference(self.document, target)
        if schema is None:
            raise InvalidSchema(f"{node.location}.$ref", f"Reference {target} cannot be resolved")
        return Node(self, schema, target, target, node)


def local_reference(document: Any, target: str) -> dict[str, Any] | None:
    """The schema within `document` that `#…` names: a JSON pointer, percent-encoded, or an `id`."""
    if target == "#":
        schema = document
    else:
        schema = _pointed(document, target) if target.startswith("#/") else _identified(document, target)
    return schema if type(schema) is dict else None


def _pointed(document: Any, pointer: str) -> Any:
    for part in pointer[2:].split("/"):
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if type(document) is dict:
            document = document.get(key)
        elif type(document) is list and key.isascii() and key.isdigit() and len(key) < 10 and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document


def _identified(node: Any, identifier: str) -> Any:
    """The first object whose `id` is `#name`."""
    todo = [node]
    while todo:
        item = todo.pop()
        if type(item) is dict:
            if item.get("id") == identifier:
                return item
            todo.extend(item.values())
        elif type(item) is list:
            todo.extend(item)
    return None


def compact(value: Any) -> str:
    """JSON text of a part of a schema, as reports quote it."""
    return jsontext.dumps(value, exact=False)


def wrong_type(node: Node, value: Any, expected: str, at: str, keyword: str = "type") -> Found:
    actual = type_name(value)
    if keyword == "unionType":
        message = f"{at}: {actual} found, but {expected} is required"
    else:
        message = f"{at}: {actual} found, {expected} expected"
    return node.found("type", at, message, (actual, expected), keyword)
