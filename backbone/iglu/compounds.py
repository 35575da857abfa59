"""The keywords of JSON Schema draft 4 that hold schemas: properties, items, combinations, references. Others: `keywords`."""

from typing import Any

from backbone.iglu.patterns import InvalidPattern, Matcher, UnsupportedPattern, matcher
from backbone.iglu.reporting import MAX_REPORTS, Check, Found, InvalidSchema, Node, State, compact


def missing(node: Node, value: Any, at: str) -> list[Found]:
    """Reports on `required`."""
    names = node.schema.get("required")
    if type(value) is not dict or type(names) is not list:
        return []
    return [
        node.found("required", at, f"{at}.{name}: is missing but it is required", (name,)) for name in names if name not in value
    ]


def properties(node: Node, schemas: Any) -> Check:
    children = {
        name: node.child(schema, f"{node.place}/properties/{name}", f"properties.{name}") for name, schema in schemas.items()
    }

    def check(value: Any, at: str, state: State) -> list[Found]:
        found: list[Found] = []
        if type(value) is not dict:
            return found
        for name, child in children.items():
            if name in value:
                outer = state.in_branch
                state.in_branch = False
                if outer:
                    state.matched = True
                found.extend(child.validate(value[name], f"{at}.{name}", state))
                state.in_branch = outer
                if outer:
                    state.matched = True
            elif lacking := missing(node, value, at):
                if state.in_branch:
                    state.matched = False
                    return []
                found.extend(lacking)
        return found

    return check


def pattern_properties(node: Node, schemas: Any) -> Check:
    children = [
        (_name_matcher(node, pattern), node.child(schema, pattern, f"patternProperties.{pattern}"))
        for pattern, schema in schemas.items()
    ]

    def check(value: Any, at: str, state: State) -> list[Found]:
        found: list[Found] = []
        if type(value) is not dict:
            return found
        for name, item in value.items():
            if len(found) >= MAX_REPORTS:
                break
            for matches, child in children:
                if matches(name):
                    found.extend(child.validate(item, f"{at}.{name}", state))
        return found

    return check


def _name_matcher(node: Node, pattern: str) -> Matcher:
    return matcher_at(f"{node.location}.patternProperties", pattern)


def matcher_at(location: str, pattern: str) -> Matcher:
    """Of a pattern that stands at this place of a schema. Raises InvalidSchema."""
    try:
        return matcher(pattern)
    except (InvalidPattern, UnsupportedPattern) as problem:
        raise InvalidSchema(location, f"pattern {pattern}: {problem}") from None


def additional_properties(node: Node, allowed: Any) -> Check | None:
    if allowed is True:
        return None
    known = frozenset(node.schema.get("properties", ()))
    patterns = [_name_matcher(node, pattern) for pattern in node.schema.get("patternProperties", ())]
    child = None if allowed is False else node.child(allowed, "additionalProperties", "additionalProperties")

    def check(value: Any, at: str, state: State) -> list[Found]:
        found: list[Found] = []
        if type(value) is not dict:
            return found
        for name, item in value.items():
            if name in known or name.startswith("#") or any(matches(name) for matches in patterns):
                continue
            if len(found) >= MAX_REPORTS:
                break
            if child is not None:
                found.extend(child.validate(item, f"{at}.{name}", state))
            else:
                text = f"{at}.{name}: is not defined in the schema and the schema does not allow additional properties"
                found.append(node.found("additionalProperties", at, text, (name,)))
        return found

    return check


def items(node: Node, schemas: Any) -> Check:
    place = f"{node.place}/items"
    if type(schemas) is not list:
        every = node.child(schemas, place, "items")

        def check_every(value: Any, at: str, state: State) -> list[Found]:
            found: list[Found] = []
            if type(value) is list:
                for number, item in enumerate(value):
                    if len(found) >= MAX_REPORTS:
                        break
                    found.extend(every.validate(item, f"{at}[{number}]", state))
            return found

        return check_every

    children = [node.child(schema, place, f"items[{number}]") for number, schema in enumerate(schemas)]
    rest = node.schema.get("additionalItems", True)
    further = node.child(rest, "#", "additionalItems") if type(rest) is dict else None

    def check_tuple(value: Any, at: str, state: State) -> list[Found]:
        found: list[Found] = []
        if type(value) is not list:
            return found
        for number, item in enumerate(value):
            if len(found) >= MAX_REPORTS:
                break
            child = children[number] if number < len(children) else further
            if child is not None:
                found.extend(child.validate(item, f"{at}[{number}]", state))
            elif rest is False:
                found.append(node.found("items", at, f"{at}[{number}]: no validator found at this index", (str(number),)))
        return found

    return check_tuple


def dependencies(node: Node, rules: Any) -> Check:
    lists = {name: needed for name, needed in rules.items() if type(needed) is list}
    schemas = {name: node.child(schema, name, f"dependencies.{name}") for name, schema in rules.items() if type(schema) is dict}
    text = "{" + ", ".join(f"{name}=[{', '.join(lists[name])}]" for name in java_order(lists)) + "}"

    def check(value: Any, at: str, state: State) -> list[Found]:
        found: list[Found] = []
        if type(value) is not dict:
            return found
        for name in value:
            if any(needed not in value for needed in lists.get(name, ())):
                found.append(node.found("dependencies", at, f"{at}: has an error with dependencies {text}", (text,)))
            if name in schemas:
                found.extend(schemas[name].validate(value, at, state))
        return found

    return check


def java_order(names: dict[str, Any]) -> list[str]:
    """The order in which a Java HashMap lists its keys: by hash modulo table size, then by insertion."""
    size = 16
    while len(names) > size * 3 // 4:
        size *= 2
    return sorted(names, key=lambda name: _java_hash(name) % size)


def _java_hash(text: str) -> int:
    value = 0
    units = text.encode("utf-16-le", "surrogatepass")
    for at in range(0, len(units), 2):
        value = (31 * value + units[at] + 256 * units[at + 1]) & 0xFFFFFFFF
    return value ^ (value >> 16)


def _branches(node: Node, keyword: str, schemas: Any) -> list[Node]:
    return [
        node.child(schema, f"{node.place}/{keyword}/{number}", f"{keyword}[{number}]") for number, schema in enumerate(schemas)
    ]


def all_of(node: Node, schemas: Any) -> Check:
    branches = _branches(node, "allOf", schemas)
    return lambda value, at, state: [found for branch in branches for found in branch.validate(value, at, state)]


def any_of(node: Node, schemas: Any) -> Check:
    branches = _branches(node, "anyOf", schemas)

    def check(value: Any, at: str, state: State) -> list[Found]:
        collected: list[Found] = []
        matched = state.matched
        for branch in branches:
            state.matched = matched
            found = branch.validate(value, at, state)
            if not found and state.matched:
                return []
            collected.extend(found)
        if not collected:
            state.matched = True
        return collected

    return check


def one_of(node: Node, schemas: Any) -> Check:
    branches = _branches(node, "oneOf", schemas)
    text = "".join(compact(schema) for schema in schemas)
    many = "should be valid to one and only one of schema, but more than one are valid"

    def check(value: Any, at: str, state: State) -> list[Found]:
        state.in_branch = True
        valid = 0
        collected: list[Found] = []
        for branch in branches:
            state.matched = True
            found = branch.validate(value, at, state)
            valid += not found and state.matched
            if valid > 1:
                break
            collected.extend(found)
        state.in_branch, state.matched = False, True
        if valid > 1:
            return [node.found("oneOf", at, f"{at}: {many}: {text}", (text,))]
        return [] if valid else _telling(collected)

    return check


def _telling(found: list[Found]) -> list[Found]:
    """Leaves out what is least likely to be the reason: missing properties, then additional ones."""
    for keyword in ("required", "additionalProperties"):
        found = [item for item in found if item.report.keyword != keyword] or found
    return found


def not_(node: Node, schema: Any) -> Check:
    branch = node.child(schema, "not", "not")
    text = f'"not" : {compact(schema)}'

    def check(value: Any, at: str, state: State) -> list[Found]:
        if branch.validate(value, at, state):
            return []
        return [node.found("not", at, f"{at}: should not be valid to the schema {text}", (text,))]

    return check


def ref(node: Node, target: Any) -> Check | None:
    referred = node.root.reference(node, target)
    if referred is None:
        return None

    def check(value: Any, at: str, state: State) -> list[Found]:
        """A reference that leads back to itself without descending into the value is met."""
        step = (id(referred), id(value))
        if step in state.active:
            return []
        state.active.add(step)
        try:
            return referred.validate(value, at, state)
        finally:
            state.active.discard(step)

    return check
