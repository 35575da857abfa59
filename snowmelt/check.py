"""`snowmelt check`: one statement on the warehouse, read-only, while the pipeline runs."""

import typer


def command() -> None:
    """Check."""
    raise typer.Exit(1)
