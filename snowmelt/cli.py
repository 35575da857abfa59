"""Every command of `snowmelt`, and how their failures are told.

Commands import what they need when they run: `snowmelt collect` must be listening quickly, and `snowmelt send` needs no
database. Exit codes: 0 done, 1 it failed, 2 wrong configuration or wrong usage, 130 interrupted.
"""

import logging
import sys
from importlib import metadata

import typer

from backbone.errors import ConfigurationError, SnowmeltError
from snowmelt import audit, check, doctor, erase, maintain, replay, schema, send, services, sql, tail, up, work

app = typer.Typer(
    name="snowmelt",
    help="Event tracking you own: trackers in, validated and typed rows out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

app.command("up")(up.command)
app.command("collect")(services.collect)
app.command("enrich")(services.enrich)
app.command("load")(services.load)
app.command("work")(work.command)
app.command("sql")(sql.command)
app.command("tail")(tail.command)
app.command("send")(send.command)
app.command("check")(check.command)
app.command("doctor")(doctor.command)
app.command("replay")(replay.command)
app.add_typer(schema.app, name="schema")
app.command("audit")(audit.command)
app.command("maintain")(maintain.command)
app.command("restore")(maintain.restore)
app.command("erase")(erase.command)


@app.command("version")
def version() -> None:
    """Print the version."""
    print(metadata.version("snowmelt"))


def main() -> None:
    """The `snowmelt` script. Failures are lines on standard error, never a traceback; see the module for exit codes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        app()
    except ConfigurationError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        sys.exit(2)
    except SnowmeltError as error:
        _stop(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _stop(f"{where}{error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _stop(message: str) -> None:
    print("snowmelt: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(1)
