"""Options that several commands share, so that they read and behave alike everywhere."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="Folder of the bus and the warehouse; wins over data.folder of the configuration."
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Configuration file; snowmelt.toml of this folder when there is one."),
]
Port = Annotated[
    int | None,
    typer.Option("--port", metavar="N", min=0, max=65535, help="TCP port of the collector; wins over collector.port."),
]
NoPort = Annotated[
    int | None,
    typer.Option("--port", metavar="N", min=0, max=65535, help="Accepted as every service does; this one listens on no port."),
]
Schemas = Annotated[
    list[Path] | None, typer.Option("--schemas", metavar="DIR", help="Registry folder asked first; may be repeated.")
]
