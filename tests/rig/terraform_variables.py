"""The table of what can be said to Terraform's module `stack`, for docs/deploy.md."""

import re
from pathlib import Path

FILE = Path(__file__).parents[2] / "terraform/modules/stack/variables.tf"
_VARIABLE = re.compile(r'^variable "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_SAID = re.compile(r"^  (\w+) += (.*)$", re.MULTILINE)
_PART = re.compile(r"(\w+) += optional\((\w+|list\(\w+\))(?:, ([^)]*))?\)")


def page() -> str:
    """Raises KeyError when one has no description."""
    rows = [row(name, body) for name, body in _VARIABLE.findall(FILE.read_text("utf-8"))]
    return "| Variable | Default | Meaning |\n|---|---|---|\n" + "\n".join(rows)


def row(name: str, body: str) -> str:
    said = dict(_SAID.findall(body))
    default = said.get("default")
    told = "required" if default is None else "unset" if default == "null" else f"`{parts(body) if default == '{}' else default}`"
    return f"| `{name}` | {told} | {said['description'].strip(chr(34))} |"


def parts(body: str) -> str:
    """Of an object: each attribute with its own default. Of maps, and of objects in objects: `{}`."""
    found = [f"{name} = {default or 'null'}" for name, _, default in _PART.findall(body)]
    plain = "optional(object(" not in body and "map(object(" not in body
    return f"{{ {', '.join(found)} }}" if found and plain else "{}"
