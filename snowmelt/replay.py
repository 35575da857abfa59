"""`snowmelt replay`: one statement on the warehouse, read-only, while the pipeline runs."""

import typer


def command() -> None:
    """Replay."""
    raise typer.Exit(1)
