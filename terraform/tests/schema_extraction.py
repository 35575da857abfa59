"""The schema of Terraform's google provider out of its CDKTF bindings, in the form of `terraform providers schema -json`.

The wheel `cdktf-cdktf-provider-google` holds `_jsii/provider-google@<version>.jsii.tgz`. In that archive:

* `package/package.json`: `cdktf.provider.version` is the provider's release;
* `package/.jsii`: JSON; `types` has an interface `…Config` for each resource and data source, and one for each nested block. A
  property without `optional` is required; its doc link ends in Terraform's own name; its text lists the values of enums. The
  classes of resources and `…OutputReference` hold computed attributes;
* `package/lib/<folder>/index.js`, `index-structs/*.js`: for each name that can be set, whether it is a block, list, set or map.

Run as a program: `schema_extraction.py WHEEL OUT.json.gz`.
"""

import gzip
import io
import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

PROVIDER = "hashicorp/google"

Json = dict[str, Any]

_LINK = re.compile(r"/docs(?:/(?:resources|data-sources)/\w+)?#(\w+) \w+#(\w+)\}")
_ENTRY = re.compile(
    r'^\s+(?:(\w+)|"([^"]+)"): \{\n\s+value: (.*),\n\s+isBlock: (true|false),\n'
    r'\s+type: "(\w+)",\n\s+storageClassType: "(\w+)",\n',
    re.MULTILINE,
)
_TO_HCL = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
_SYNTHESIS = re.compile(r"^    synthesizeHclAttributes\(\) \{(.*?)^    \}", re.MULTILINE | re.DOTALL)
_CLASS = re.compile(r"^class (\w+) extends cdktf\.(\w+) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
_GETTER = re.compile(
    r"get (\w+)\(\) \{\s+return (?:cdktf\.Fn\.tolist\()?(?:cdktf\.Token\.\w+\()?this\.get\w+Attribute\('(\w+)'\)"
)
_MEMBER = re.compile(r'this\._(\w+) = new [\w.]+\(this, "(\w+)"(?:, (true|false))?')
_TYPE_NAME = re.compile(r"# `(\w+)`")
_ENUM = re.compile(r'Possible values: \[("[^\]]*")\]')
_SOURCE = re.compile(r"package/lib/([^/]+)/(?:index-structs/)?\w+\.js$")
_SCALARS = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
_COLLECTED = {
    **{f"{kind}{many}": kind for kind in ("string", "number", "boolean") for many in ("List", "Map")},
    "anyMap": "any",
}
_ROOTS = ("TerraformResource", "TerraformDataSource", "TerraformProvider")
_NO_ATTRIBUTES = {"tfResourceType", "internalValue", "fqn", "friendlyUniqueId", "terraformAttribute"}


class Entry(NamedTuple):
    """How the bindings write one name that can be set."""

    value: str
    is_block: bool
    kind: str
    stored: str


class Names(NamedTuple):
    """Of one class: Terraform's names by property, and which of them are sets."""

    by_property: dict[str, str]
    sets: set[str]


def extract(archive: bytes) -> Json:
    """`archive`: the `.jsii.tgz`. Attributes with a list of values have it as `x_enum`."""
    sources, manifest, package = _unpacked(archive)
    provider: Json = {"provider": {"version": 0, "block": {}}, "resource_schemas": {}, "data_source_schemas": {}}
    for submodule, info in manifest["submodules"].items():
        path = info["symbolId"].split("/")
        if len(path) < 3 or path[1] not in sources:
            continue
        named = _TYPE_NAME.search(info.get("readme", {}).get("markdown", ""))
        name = named.group(1) if named else path[1].replace("-", "_")
        block = _Bindings(manifest["types"], submodule, sources[path[1]]).block()
        if block is not None:
            _file(provider, path[1], name, {"version": 0, "block": block})
    version = package.get("cdktf", {}).get("provider", {}).get("version", "?")
    return {"format_version": "1.0", "x_provider_version": version, "provider_schemas": {PROVIDER: provider}}


def _unpacked(archive: bytes) -> tuple[dict[str, str], Json, Json]:
    """Sources by folder, the manifest, package.json."""
    sources: dict[str, str] = {}
    documents: dict[str, Json] = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as files:
        for member in files:
            source = _SOURCE.match(member.name)
            wanted = member.name in ("package/.jsii", "package/package.json")
            if (source or wanted) and (opened := files.extractfile(member)) is not None:
                if source:
                    sources[source.group(1)] = f"{sources.get(source.group(1), '')}\n{opened.read().decode()}"
                else:
                    documents[member.name] = json.load(opened)
    return sources, documents["package/.jsii"], documents["package/package.json"]


def _file(provider: Json, folder: str, name: str, schema: Json) -> None:
    if folder == "provider":
        provider["provider"] = schema
    elif name.startswith("data_google"):
        provider["data_source_schemas"][name.removeprefix("data_")] = schema
    else:
        provider["resource_schemas"][name] = schema


class _Bindings:
    """Of one resource, data source, or the provider itself."""

    def __init__(self, types: Json, submodule: str, source: str) -> None:
        self._types = types
        self._submodule = submodule
        self._structs = {function: _entries(body) for function, body in _TO_HCL.findall(source)}
        self._names: dict[str, Names] = {}
        self._main: str | None = None
        self._top: dict[str, Entry] = {}
        for name, parent, body in _CLASS.findall(source):
            members = _MEMBER.findall(body)
            by_property = {**dict(_GETTER.findall(body)), **{prop: told for prop, told, _ in members}}
            self._names[name] = Names(by_property, {told for _, told, is_set in members if is_set == "true"})
            if parent in _ROOTS:
                self._main = name
                synthesis = _SYNTHESIS.search(body)
                self._top = _entries(synthesis.group(1)) if synthesis else {}

    def block(self) -> Json | None:
        if self._main is None or (config := self._type(f"{self._main}Config")) is None:
            return None
        return self._block(self._top, config, self._main)

    def _type(self, name: str) -> Json | None:
        found: Json | None = self._types.get(f"{self._submodule}.{name}")
        return found

    def _block(self, entries: dict[str, Entry], interface: Json, class_: str) -> Json:
        properties = {_told_name(prop): prop for prop in interface.get("properties", [])}
        attributes: Json = {}
        blocks: Json = {}
        for name, entry in entries.items():
            prop = properties.get(name, {"optional": True})
            if entry.is_block:
                blocks[name] = self._nested(entry, not prop.get("optional"))
            else:
                attributes[name] = _attribute(entry, prop)
        for name, type_ in self._computed(class_).items():
            if name not in attributes and name not in blocks:
                attributes[name] = {"type": type_, "computed": True}
        return {key: value for key, value in (("attributes", attributes), ("block_types", blocks)) if value}

    def _nested(self, entry: Entry, required: bool) -> Json:
        called = re.search(r"(\w+)ToHclTerraform", entry.value)
        assert called is not None
        function = called.group(1)
        struct = function[0].upper() + function[1:]
        inner = self._block(self._structs.get(function, {}), self._type(struct) or {}, f"{struct}OutputReference")
        nested: Json = {"nesting_mode": "single" if entry.kind == "struct" else entry.kind, "block": inner}
        if entry.kind != "struct":
            nested |= {"min_items": 1} if required else {}
            nested |= {"max_items": 1} if "listMapperHcl" not in entry.value else {}
        return nested

    def _computed(self, class_: str) -> Json:
        """What can be read and has no twin by which it could be set."""
        described = self._type(class_)
        if described is None:
            return {}
        names = self._names.get(class_, Names({}, set()))
        properties = {prop["name"]: prop for prop in described.get("properties", [])}
        found: Json = {}
        for own, prop in properties.items():
            settable = own.endswith("Input") or f"{own}Input" in properties
            if own in names.by_property and own not in _NO_ATTRIBUTES and not settable and not prop.get("static"):
                name = names.by_property[own]
                found[name] = self._computed_type(prop["type"], name in names.sets)
        return found

    def _computed_type(self, type_: Json, is_set: bool) -> Any:
        if "primitive" in type_:
            return _SCALARS.get(type_["primitive"], "dynamic")
        if "collection" in type_:
            collection = type_["collection"]
            kind = {"array": "list", "map": "map"}[collection["kind"]]
            return [kind, self._computed_type(collection["elementtype"], False)]
        name = type_.get("fqn", "")
        if name == "cdktf.IResolvable":
            return "bool"
        if name.startswith("cdktf."):
            many = re.match(r"cdktf\.(String|Number|Boolean|Any)(Map|List)$", name)
            return [many.group(2).lower(), _SCALARS[many.group(1).lower()]] if many else "dynamic"
        class_ = name.rsplit(".", 1)[-1]
        if class_.endswith("List"):
            return ["set" if is_set else "list", ["object", self._computed(f"{class_.removesuffix('List')}OutputReference")]]
        return ["list", ["object", self._computed(class_)]] if class_.endswith("OutputReference") else "dynamic"


def _entries(body: str) -> dict[str, Entry]:
    found = _ENTRY.findall(body)
    return {plain or quoted: Entry(value, block == "true", kind, stored) for plain, quoted, value, block, kind, stored in found}


def _attribute(entry: Entry, prop: Json) -> Json:
    scalar = _SCALARS.get(_COLLECTED.get(entry.stored, entry.stored), "dynamic")
    type_: Any = [entry.kind, scalar] if entry.kind in ("list", "set", "map") else scalar
    attribute: Json = {"type": type_, ("optional" if prop.get("optional") else "required"): True}
    listed = _ENUM.search(_text(prop))
    if listed and type_ == "string":
        attribute["x_enum"] = re.findall(r'"([^"]*)"', listed.group(1))
    return attribute


def _text(prop: Json) -> str:
    docs = prop.get("docs", {})
    return f"{docs.get('summary', '')} {docs.get('remarks', '')}"


def _told_name(prop: Json) -> str:
    """Terraform's own name stands in the doc link; else it is the property's, in snake case."""
    link = _LINK.search(_text(prop))
    return link.group(2) if link else re.sub(r"([A-Z])", lambda found: "_" + found.group(1).lower(), prop["name"])


def archive_of(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as files:
        return files.read(next(name for name in files.namelist() if "/_jsii/" in name and name.endswith(".tgz")))


def read(path: Path) -> Json:
    """What `main` wrote, or what `terraform providers schema -json` did: the provider's schemas."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        providers: dict[str, Json] = json.load(file)["provider_schemas"]
    return next(schema for name, schema in providers.items() if name.endswith(PROVIDER))


def main(wheel: str, target: str) -> None:
    with gzip.open(target, "wt") as file:
        json.dump(extract(archive_of(Path(wheel))), file, separators=(",", ":"), sort_keys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
