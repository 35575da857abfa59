"""The parts of the documentation that are made from the program: every setting, every command and flag, every deviation.

`make docs` writes them between the markers of the pages in PAGES; tests/test_docs.py sees that they are up to date.
"""

import inspect
import json
import re
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import cost
import dashboards
import events_table
import terraform_variables
import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from backbone.metrics import LOADER
from backbone.settings import SHARED
from snowmelt.cli import app
from snowmelt.configuration import MODELS

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- made by `make docs` -->", "<!-- end of what `make docs` made -->"


def nested(annotation: Any) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def settings() -> str:
    """A table for each section."""
    parts = []
    for name, model in {**SHARED, **MODELS}.items():
        parts += list(section(name, model))
    return "\n\n".join(parts)


def section(name: str, model: type[BaseModel]) -> Iterator[str]:
    rows, inner = [], []
    for key, field in model.model_fields.items():
        deeper = nested(field.annotation)
        if deeper is not None:
            inner.append((f"{name}.{key}", deeper))
            continue
        variable = f"SNOWMELT_{name}_{key}".replace(".", "_").upper()
        rows.append(f"| `{key}` | {default_text(field.default)} | {one_line(field.description)} | `{variable}` |")
    head = "| Key | Default | Meaning | Environment |\n|---|---|---|---|\n"
    yield f"## `[{name}]`\n\n{sentence(model)}\n\n" + (head + "\n".join(rows) if rows else "")
    for path, deeper in inner:
        yield from section(path, deeper)


def sentence(model: type[BaseModel]) -> str:
    """The model's own words, without the name of the section they begin with."""
    text = one_line(inspect.cleandoc(model.__doc__ or ""))
    text = re.sub(r"^`\[[a-z_.]+\]`( of `snowmelt\.toml`)?[:.]? ?", "", text)
    return text[:1].upper() + text[1:] or "What concerns all of it."


def default_text(value: Any) -> str:
    if value is None:
        return "unset"
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (str, Path)):
        return f'`"{value}"`'
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{item}"' for item in value) + "]`"
    if isinstance(value, dict):
        return "`{}`" if not value else f"`{value}`"
    return f"`{value}`"


def one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def every_command() -> dict[str, Any]:
    """By its whole name, `schema columns` for one of a group."""
    found: dict[str, Any] = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found.update({name: command} if inner is None else {f"{name} {part}": each for part, each in inner.items()})
    return found


def commands() -> str:
    """A chapter for each command."""
    return "\n\n".join(chapter(name, command) for name, command in every_command().items())


def chapter(name: str, command: Any) -> str:
    rows = [row(parameter) for parameter in command.params if parameter.name != "help"]
    head = "| Argument or flag | Default | Meaning |\n|---|---|---|\n"
    usage = " ".join(["snowmelt", name, *(f"<{p.name}>" for p in command.params if p.param_type_name == "argument")])
    return f"## `{usage}`\n\n{one_line(command.help)}\n\n" + (head + "\n".join(rows) if rows else "It takes no flags.")


def row(parameter: Any) -> str:
    kind = "" if parameter.name == "statement" else metavar(parameter)
    if parameter.param_type_name == "argument":
        name = f"`<{parameter.name}>` {kind}".strip()
    else:
        name = ", ".join(f"`{flag}`" for flag in parameter.opts) + (f" {kind}" if kind else "")
    default = parameter.default
    told = "" if default is None or default is False or parameter.required else f"`{getattr(default, 'value', default)}`"
    return f"| {name} | {told} | {one_line(getattr(parameter, 'help', ''))} |"


def metavar(parameter: Any) -> str:
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{choice.value}`" for choice in kind)
    return "" if getattr(parameter, "is_flag", False) else str(parameter.metavar or "")


def begun(text: str) -> str:
    """With a capital letter, unless it begins with a name from the program."""
    return text[:1].upper() + text[1:] if text.split(" ")[0].isalpha() else text


def deviations() -> str:
    """The reasons in the lists that the comparisons with the real programs read."""
    parts = []
    for file in sorted((ROOT / "tests/conformance").glob("*_deviations.json")):
        reasons = sorted({one_line(entry["reason"]) for entry in json.loads(file.read_text("utf-8"))})
        title = file.name.removesuffix("_deviations.json")
        parts.append(f"### {title}\n\n" + "\n".join(f"- {begun(reason)}" for reason in reasons))
    return "\n\n".join(part for part in parts if part.count("\n") > 1)


def metrics() -> str:
    """One table of everything a service counts."""
    rows = [f"| `{m.name}` | {m.kind} | {begun(m.meaning)} | {begun(m.alert)} |" for m in LOADER]
    return "| Metric | Kind | What it tells | Look when |\n|---|---|---|---|\n" + "\n".join(rows)


PAGES: dict[str, Callable[[], str]] = {
    "docs/configuration.md": settings,
    "docs/commands.md": commands,
    "docs/compatibility.md": deviations,
    "docs/metrics.md": metrics,
    "docs/cost.md": cost.page,
    "docs/deploy.md": terraform_variables.page,
}


def files() -> Iterator[tuple[Path, str]]:
    """What is made as a whole: path from the root, content."""
    yield from dashboards.files()
    yield from events_table.files()


def renewed(page: str) -> str:
    """The page's text with its made part made anew."""
    text = (ROOT / page).read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{PAGES[page]()}\n\n{END}{after}"


if __name__ == "__main__":
    for name in PAGES:
        (ROOT / name).write_text(renewed(name), "utf-8")
    for path, text in files():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, "utf-8")
