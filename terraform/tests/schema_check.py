"""Terraform files against the schema of the google provider, without Terraform: unknown, missing, misshapen, undeclared.

`schema_check.py SCHEMA.json.gz FOLDER…` prints one finding a line, with file and line; exit code 1 if there are any. Needs
python-hcl2 8. Knows names, nesting, what is required and computed, and enums; not ranges, patterns, or what excludes what.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import hcl2
from hcl2.utils import SerializationOptions
from schema_extraction import read

_ARGUMENTS_OF_ALL = {"count", "for_each", "provider", "depends_on", "lifecycle", "provisioner", "connection"}
_OF_PROVIDERS = {"alias", "version"}
_REFERENCE = re.compile(r"(?<![\w.\"-])(data\.)?(google_\w+)\.([A-Za-z_][\w-]*)(?:\[[^\]]*\])?(?:\.([a-z_]\w*))?")
_NAME = re.compile(r"(?<![\w.\"-])(var|local|module)\.([A-Za-z_][\w-]*)")
_COMMENT = re.compile(r"^\s*(#|//).*$", re.MULTILINE)
_BLOCK = "__is_block__"

Json = Mapping[str, Any]


class Place:
    """Where a block stands. The parser tells no lines, so the text is searched: exact in formatted files."""

    def __init__(self, file: Path, text: str, header: str) -> None:
        self._file, self._text = file, text
        begin = re.search(rf"(?m)^\s*{header}", text)
        self._begin = begin.end() if begin else 0
        end = text.find("\n}", self._begin)
        self._end = end if end >= 0 else len(text)

    def at(self, key: str | None = None) -> str:
        at = self._begin
        if key is not None:
            line = re.compile(rf'(?m)^.*?\b{re.escape(key)}"?\s*(?:=|\{{)').search(self._text, at, self._end)
            at = line.end() if line else at
        return f"{self._file}:{self._text.count(chr(10), 0, at) + 1}"


class Found(NamedTuple):
    """A resource or data source."""

    place: Place
    body: Json


class Folder:
    """One module: its files, and what they declare."""

    def __init__(self, path: Path) -> None:
        """Raises whatever the parser does."""
        self.path = path
        self.texts = {file: file.read_text("utf-8") for file in sorted(path.glob("*.tf"))}
        self.resources: dict[tuple[str, str, str], Found] = {}
        self.modules: dict[str, Found] = {}
        self.providers: list[Found] = []
        self.variables: dict[str, Json] = {}
        self._locals: set[str] = set()
        for file, text in self.texts.items():
            self._declare(file, text, parsed(file))

    def _declare(self, file: Path, text: str, document: Json) -> None:
        for kind in ("resource", "data"):
            for type_, named in _items(document, kind):
                for name, body in named.items():
                    place = Place(file, text, rf'{kind}\s+"{type_}"\s+"{re.escape(name)}"')
                    self.resources[kind, type_, name] = Found(place, body)
        for name, body in _items(document, "module"):
            self.modules[name] = Found(Place(file, text, rf'module\s+"{re.escape(name)}"'), body)
        for name, body in _items(document, "provider"):
            if name == "google":
                self.providers.append(Found(Place(file, text, r'provider\s+"google"'), body))
        self.variables.update(_items(document, "variable"))
        self._locals.update(name for name, _ in _items(document, "locals"))

    def declares(self, kind: str, name: str) -> bool:
        return name in {"var": self.variables, "local": self._locals, "module": self.modules}[kind]


def parsed(file: Path) -> Json:
    options = SerializationOptions(with_comments=False, strip_string_quotes=True)
    with file.open(encoding="utf-8") as text:
        document: Json = hcl2.load(text, serialization_options=options)
    return document


def _items(document: Json, kind: str) -> Iterator[tuple[str, Any]]:
    for item in document.get(kind, []):
        yield from ((name, body) for name, body in item.items() if not name.startswith("__"))


class Check:
    """`findings` of every folder given to `folder`."""

    def __init__(self, schemas: Json) -> None:
        self._kinds = {"resource": schemas["resource_schemas"], "data": schemas["data_source_schemas"]}
        self._provider = schemas["provider"]["block"]
        self.findings: list[str] = []

    def folder(self, path: Path) -> None:
        try:
            folder = Folder(path)
        except Exception as problem:  # the parser has exceptions of many kinds
            self._say(str(path), f"cannot be parsed: {str(problem).splitlines()[0]}")
            return
        for name, found in folder.modules.items():
            self._call(folder, name, found)
        for found in folder.providers:
            given = {key: value for key, value in found.body.items() if key not in _OF_PROVIDERS}
            self._block(found.place, "provider google", given, self._provider)
        for (kind, type_, name), found in folder.resources.items():
            if type_.startswith("google_"):
                self._resource(kind, type_, name, found)
        for file, text in folder.texts.items():
            self._references(folder, file, _COMMENT.sub("", text))

    def _say(self, where: str, what: str) -> None:
        self.findings.append(f"{where}: {what}")

    def _resource(self, kind: str, type_: str, name: str, found: Found) -> None:
        schema = self._kinds[kind].get(type_)
        if schema is None:
            self._say(found.place.at(), f"unknown {'data source' if kind == 'data' else 'resource'} type {type_}")
            return
        given = {key: value for key, value in found.body.items() if key not in _ARGUMENTS_OF_ALL}
        self._block(found.place, f"{'data.' if kind == 'data' else ''}{type_}.{name}", given, schema["block"])

    def _block(self, place: Place, where: str, given: Json, schema: Json, own_key: str | None = None) -> None:
        seen: set[str] = set()
        for key, value in given.items():
            if key == "dynamic":
                seen.update(self._dynamic(place, where, value, schema))
            elif not key.startswith("__"):
                seen.add(key)
                self._argument(place, where, key, value, schema)
        for name, attribute in schema.get("attributes", {}).items():
            if attribute.get("required") and name not in seen:
                self._say(place.at(own_key), f"{where}: missing required argument {name}")
        for name, block in schema.get("block_types", {}).items():
            if block.get("min_items") and name not in seen:
                self._say(place.at(own_key), f"{where}: missing required block {name}")

    def _dynamic(self, place: Place, where: str, value: Any, schema: Json) -> Iterator[str]:
        for item in value:
            for name, body in item.items():
                if name.startswith("__"):
                    continue
                yield name
                block = schema.get("block_types", {}).get(name)
                if block is None:
                    self._say(place.at(name), f"{where}: unknown block type {name} (dynamic)")
                    continue
                for content in body.get("content", []):
                    self._block(place, f"{where}.{name}", content, block["block"], name)

    def _argument(self, place: Place, where: str, key: str, value: Any, schema: Json) -> None:
        attributes, blocks = schema.get("attributes", {}), schema.get("block_types", {})
        line = place.at(key)
        if isinstance(value, list) and value and all(isinstance(each, dict) and each.get(_BLOCK) for each in value):
            self._nested(place, where, key, value, schema)
        elif key in blocks:
            self._say(line, f"{where}: {key} is a block, not an argument (drop the '=')")
        elif key not in attributes:
            self._say(line, f"{where}: unknown argument {key}")
        elif attributes[key].get("computed") and not attributes[key].get("optional"):
            self._say(line, f"{where}: {key} is computed only and cannot be set")
        else:
            for problem in misfits(value, attributes[key]):
                self._say(line, f"{where}.{key}: {problem}")

    def _nested(self, place: Place, where: str, key: str, given: list[Json], schema: Json) -> None:
        block = schema.get("block_types", {}).get(key)
        if key in schema.get("attributes", {}):
            self._say(place.at(key), f"{where}: {key} is an argument, not a block (write {key} = …)")
        elif block is None:
            self._say(place.at(key), f"{where}: unknown block type {key}")
        else:
            if len(given) > block.get("max_items", len(given)):
                self._say(place.at(key), f"{where}: at most {block['max_items']} {key} block(s), found {len(given)}")
            for each in given:
                self._block(place, f"{where}.{key}", each, block["block"], key)

    def _call(self, folder: Folder, name: str, found: Found) -> None:
        source = found.body.get("source")
        if not isinstance(source, str) or not source.startswith("."):
            return
        target = folder.path / source
        if not target.is_dir():
            self._say(found.place.at("source"), f"module.{name}: source {source} not found")
            return
        wanted = Folder(target).variables
        given = {key for key in found.body if not key.startswith("__")} - _ARGUMENTS_OF_ALL - {"source", "version", "providers"}
        for key in sorted(given - wanted.keys()):
            self._say(found.place.at(key), f"module.{name}: unknown variable {key}")
        for key, variable in wanted.items():
            if "default" not in variable and key not in given:
                self._say(found.place.at(), f"module.{name}: missing variable {key}")

    def _references(self, folder: Folder, file: Path, text: str) -> None:
        """Looked up in the text: wrong attributes and undeclared names are found, names made at run time are not."""
        for found in _REFERENCE.finditer(text):
            kind = "data" if found[1] else "resource"
            type_, name, attribute = found[2], found[3], found[4]
            line = f"{file}:{text.count(chr(10), 0, found.start()) + 1}"
            schema = self._kinds[kind].get(type_)
            if schema is None:
                continue
            full = f"{found[1] or ''}{type_}.{name}"
            if (kind, type_, name) not in folder.resources:
                self._say(line, f"reference to undeclared {full}")
            elif attribute and attribute not in {
                **schema["block"].get("attributes", {}),
                **schema["block"].get("block_types", {}),
            }:
                self._say(line, f"{full} has no attribute {attribute}")
        for found in _NAME.finditer(text):
            if not folder.declares(found[1], found[2]):
                self._say(f"{file}:{text.count(chr(10), 0, found.start()) + 1}", f"undeclared {found[1]}.{found[2]}")


def misfits(value: Any, attribute: Json) -> Iterator[str]:
    """Only of what is written down; expressions are not looked into."""
    type_ = attribute["type"]
    if value is None or value == "null" or (isinstance(value, str) and "${" in value):
        return
    if isinstance(value, str) and value and value not in attribute.get("x_enum", [value]):
        yield f"{value!r} is not one of {', '.join(attribute['x_enum'])}"
    kind = type_ if isinstance(type_, str) else type_[0]
    if not _fits(kind, value):
        yield f"wants {kind}, got {value!r:.40}"


def _fits(kind: str, value: Any) -> bool:
    if kind == "number":
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number or (isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value) is not None)
    if kind == "bool":
        return isinstance(value, bool) or value in ("true", "false")
    if kind in ("list", "set"):
        return isinstance(value, list)
    if kind == "map":
        return isinstance(value, dict)
    return kind != "string" or not isinstance(value, list | dict)


def main(schema: str, *folders: str) -> int:
    check = Check(read(Path(schema)))
    for folder in folders:
        check.folder(Path(folder))
    print(*check.findings, sep="\n")
    return 1 if check.findings else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
