"""`snowmelt work`: enricher and loader as two processes of one container, which starts and ends as one.

Whatever runs the container starts it again: when one of the two ends, the other is told to drain, and this ends too.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence

import typer

from snowmelt.options import Config, Data
from snowmelt.supervisor import environment

_ROLES = ("enrich", "load")
_LOOK = 0.1

Child = subprocess.Popen[bytes]


def command(data: Data = None, config: Config = None) -> None:
    """Run enricher and loader together, on a machine too small for two; for containers, as on Cloud Run."""
    from backbone import stopping
    from snowmelt import configuration

    configuration.read(config, data)
    flags = [*(["--data", str(data)] if data else []), *(["--config", str(config)] if config else [])]
    stop = stopping.on_signals()
    children = [_started(role, flags) for role in _ROLES]
    while not stop.wait(_LOOK) and all(child.poll() is None for child in children):
        pass
    ended = [] if stop.is_set() else [child for child in children if child.poll() is not None]
    codes = _drained(children)
    if ended:
        raise typer.Exit(ended[0].returncode if ended[0].returncode > 0 else 1)
    raise typer.Exit(max(codes))


def _started(role: str, flags: Sequence[str]) -> Child:
    """Its output is this process's; it drains when this process is gone, however that ended."""
    mine = environment(with_ports=role == _ROLES[0])
    arguments = [sys.executable, "-m", "snowmelt.child", str(os.getpid()), role, *flags]
    return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, env=mine, start_new_session=True)


def _drained(children: Sequence[Child]) -> list[int]:
    """Exit codes; 1 for those that were killed."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    while any(child.poll() is None for child in children):
        time.sleep(_LOOK)
    return [code if code >= 0 else 1 for code in (child.returncode for child in children)]
