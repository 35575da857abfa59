"""`snowmelt schema`: what schemas mean for data, told without running anything: columns, values, verdicts."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snowmelt.options import Config

if TYPE_CHECKING:
    from backbone.iglu.resolver import Resolver

app = typer.Typer(help="What schemas mean for data: columns, values, verdicts.", no_args_is_help=True, rich_markup_mode=None)

Lines = Annotated[str, typer.Option("--lines", metavar="FILE", help="JSON lines, one question each; - for standard input.")]
Schemas = Annotated[
    list[Path] | None, typer.Option("--schemas", metavar="DIR", help="Registry folder asked first; may be repeated.")
]


class Target(StrEnum):
    """Where the columns are."""

    ducklake = "ducklake"
    bigquery = "bigquery"


class Kind(StrEnum):
    """What the data of a schema is."""

    event = "event"
    entity = "entity"


@app.command("columns")
def columns(
    named: Annotated[
        list[str],
        typer.Argument(
            metavar="URI-OR-FILE",
            help="Schemas: iglu:com.acme/click/jsonschema/1-0-2, a whole family iglu:com.acme/click/jsonschema/1-*-*, or files.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a tree.")] = False,
    target: Annotated[Target, typer.Option("--target", help="Whose types to show.")] = Target.ducklake,
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only the columns of events, or of entities.")] = None,
    schemas: Schemas = None,
    config: Config = None,
) -> None:
    """Show the columns that data of these schema versions gets, recovery columns included."""
    from backbone import jsontext
    from loader.family_report import report
    from loader.settings import LoaderSettings
    from snowmelt import configuration, schema_tree
    from snowmelt.output import printing
    from snowmelt.schema_choice import chosen

    resolver, families = chosen(named, _registries(config, schemas))
    choices = configuration.read(config, None).section("loader", LoaderSettings).choices
    try:
        found = report(resolver, families, ["event", "entity"] if kind is None else [kind.value])
    finally:
        resolver.close()
    with printing():
        if as_json:
            print(jsontext.dumps(found))
        else:
            print("\n".join([*schema_tree.lines(found, target.value), *schema_tree.chosen_otherwise(families, choices)]))


@app.command("cast")
def cast(lines: Lines, schemas: Schemas = None, config: Config = None) -> None:
    """Show the value of each column for data, or why it has none: JSON lines of schemas and data."""
    from backbone.errors import RegistryUnavailable
    from loader import offline_casts
    from snowmelt import json_lines

    registries = _registries(config, schemas)

    def reply(question: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"result": offline_casts.answer(question, registries)}
        except (offline_casts.Unanswerable, RegistryUnavailable) as problem:
            raise json_lines.Refused(str(problem)) from None

    raise typer.Exit(json_lines.answered(lines, reply))


@app.command("validate")
def validate(lines: Lines, schemas: Schemas = None, config: Config = None) -> None:
    """Say of each instance whether it keeps to its schema, and where it does not: JSON lines of both."""
    from registry.validations import Unanswerable, Validations
    from snowmelt import json_lines

    validations = Validations(_registries(config, schemas))

    def reply(question: dict[str, Any]) -> dict[str, Any]:
        try:
            return validations.answer(question)
        except Unanswerable as problem:
            raise json_lines.Refused(str(problem)) from None

    raise typer.Exit(json_lines.answered(lines, reply))


def _registries(config: Path | None, schemas: list[Path] | None) -> "Resolver":
    from backbone.iglu import build_resolver
    from snowmelt import configuration

    return build_resolver(configuration.read(config, None).iglu, schemas or ())
