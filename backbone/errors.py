"""Every exception Snowmelt raises on purpose.

    SnowmeltError
    ├── TransientError            try again; nothing is lost, nothing was stored
    │   ├── BusFull               the embedded log reached its disk limit
    │   ├── BusUnavailable        the bus could not make records durable
    │   └── RegistryUnavailable   a schema registry did not answer (not: "has no such schema")
    └── TerminalError             trying again changes nothing
        ├── ConfigurationError    settings, schemas or enrichment files; carries every fault found
        └── BusCorrupt            a log file is not what this program wrote

Faults in *data* are not exceptions: they are values (bad rows), see `backbone.badrow`.
"""

from collections.abc import Sequence
from typing import NamedTuple


class SnowmeltError(Exception):
    """Base of all; its text is fit for a user."""


class TransientError(SnowmeltError):
    """May succeed when tried again."""


class BusFull(TransientError):
    """The embedded log reached its disk limit; consumers must catch up first."""


class BusUnavailable(TransientError):
    """The bus could not make the records durable. Whether they were stored is unknown."""


class RegistryUnavailable(TransientError):
    """A schema could not be looked up for a reason other than its absence."""


class TerminalError(SnowmeltError):
    """Will fail again however often it is tried."""


class BusCorrupt(TerminalError):
    """A file of the embedded log is damaged or was not written by Snowmelt."""


class Fault(NamedTuple):
    """One thing wrong with what the user configured."""

    file: str
    key: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.problem}" if self.key else f"{self.file}: {self.problem}"


class ConfigurationError(TerminalError):
    """What the user configured cannot be used. `faults` lists all of it, not just the first."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))
