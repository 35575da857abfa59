"""The first minute: a small session sent through the real port, its rows, one broken event with its cure, what to type next."""

import os
import random
import shutil
import sys
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from backbone.errors import SnowmeltError
from backbone.iglu.configuration import BUNDLED
from snowmelt.delivery import Connection, Tally
from snowmelt.generator import ACME, Batch, Parameters, Session
from snowmelt.sql import query, table

if TYPE_CHECKING:
    from backbone.settings import Settings
    from snowmelt.view import View

_PATIENCE = 60.0
_BROKEN_SCHEMA = f"{ACME}/newsletter_signup/jsonschema/1-0-0"
_BROKEN_DATA = {"topic": "autumn", "consent": True, "source": "footer"}
_CURE = '"source": {"type": "string", "maxLength": 50}'

SNIPPET = """\
import {{ newTracker, trackPageView }} from '@snowplow/browser-tracker';
newTracker('sp', '{url}', {{ appId: 'my-site' }});
trackPageView();"""


class Demo:
    """Runs in a thread of its own, beside the supervisor."""

    def __init__(self, settings: "Settings", view: "View", stop: threading.Event, flags: str) -> None:
        """`flags` are those the commands shown need to reach the same data."""
        self._settings = settings
        self._schemas = settings.iglu.schemas
        self._view = view
        self._stop = stop
        self._tally = Tally()
        self._command = f"{program()} {{}}{flags}"

    def run(self) -> None:
        events = session()
        self._send(events)
        *sound, broken = [event["eid"] for event in events]
        rows = self._rows("events", sound)
        failed = self._rows("failed_events", [broken])
        if self._stop.is_set():
            return
        self._show_rows(rows)
        self._show_failure(failed)
        self._show_next_steps()

    def _send(self, events: list[Parameters]) -> None:
        """One GET, the rest in one POST, as trackers do."""
        agent, address = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", "81.2.69.142"
        connection = Connection(self._view.url, self._tally, _PATIENCE)
        connection.deliver(Batch("GET", agent, address, events[:1]), self._stop)
        connection.deliver(Batch("POST", agent, address, events[1:]), self._stop)
        connection.close()
        self._view.say(f"Demo: sent {self._tally.accepted} events, one of them broken on purpose; waiting for their rows …")

    def _rows(self, name: str, ids: list[str]) -> list[dict[str, Any]]:
        """Rows of these events once all are there, or what there is when patience ends."""
        wanted = ", ".join(f"'{event_id}'" for event_id in ids)
        # The day as a limit: BigQuery bills what a statement reads, here and in any other table that is partitioned by it.
        today = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
        statement = f"SELECT * FROM {name} WHERE load_tstamp >= '{today}' AND event_id IN ({wanted})"
        deadline = time.monotonic() + _PATIENCE
        rows: list[dict[str, Any]] = []
        while len(rows) < len(ids) and time.monotonic() < deadline and not self._stop.wait(0.3):
            try:
                rows = query(self._settings, statement)
            except SnowmeltError:
                continue
        return sorted(rows, key=lambda row: ids.index(row["event_id"]))

    def _show_rows(self, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return self._view.say(f"Demo: no rows after {_PATIENCE:.0f} s; see {self._settings.data.folder / 'logs'}")
        columns = ("event_name", "page_urlpath", "mkt_campaign", "se_action", "se_value", "contexts_com_acme_product_1")
        cells = [[_cell(row.get(column)) for column in columns] for row in rows]
        return self._view.show(Text("\nFirst rows of the table events", "bold"), table(columns, cells))

    def _show_failure(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self._view.show(
                Text("\nThe broken event is one row of the table failed_events", "bold"),
                Text(f"  Event   {row['event_id']} ({_BROKEN_SCHEMA})"),
                Text(f"  Reason  {row['reason']}"),
                Text(f"  Remedy  {row['remedy']}"),
            )

    def _show_next_steps(self) -> None:
        places = [folder / _BROKEN_SCHEMA.removeprefix("iglu:") for folder in (*self._schemas, BUNDLED)]
        file = next((path for path in places if path.exists()), places[0])
        counts = 'sql "select event_name, count(*) as events from events group by all"'
        failures = 'sql "select event_id, reason, remedy from failed_events"'
        self._view.show(
            Text("\nSend your own events: paste this into a page, or point any Snowplow tracker here", "bold"),
            _to_copy(SNIPPET.format(url=self._view.url)),
            Text("\nTry next, in another terminal", "bold"),
            _to_copy(f"{self._command.format(counts)}\n{self._command.format(failures)}"),
            Text(f"\nCure the broken event: add {_CURE} to the properties in\n{file}, then", "bold"),
            _to_copy(self._command.format(f"replay --schema {_BROKEN_SCHEMA}")),
            Text(""),
        )


def program() -> str:
    """How this program is called from here: by its name, or by its path when it is not on the search path."""
    script = Path(sys.executable).with_name("snowmelt")
    found = shutil.which("snowmelt")
    if found is not None and Path(found).samefile(script):
        return "snowmelt"
    return os.path.relpath(script) if script.is_relative_to(Path.cwd()) else str(script)


def session() -> list[Parameters]:
    """A seeded visit under ids of its own each time, the broken event last."""
    visit = Session(random.Random(12))
    events = [visit.page_view()]
    visit.open_product()
    events += [visit.page_view(), visit.product_view(), visit.add_to_basket()]
    events.append(visit.self_describing(_BROKEN_SCHEMA, {"topic": "autumn", "consent": True}))
    events.append(visit.self_describing(_BROKEN_SCHEMA, _BROKEN_DATA))
    return [{**event, "eid": str(uuid.uuid4()), "aid": "demo"} for event in events]


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(item.get("name", item)) if isinstance(item, dict) else str(item) for item in value)
    return "" if value is None else str(value)


def _to_copy(text: str) -> Text:
    """Lines for the clipboard."""
    return Text("\n".join("  " + line for line in text.splitlines()), no_wrap=True)
