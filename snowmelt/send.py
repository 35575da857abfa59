"""`snowmelt send`: an invented shop's visitors, sent to a collector at a chosen rate."""

import queue
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from snowmelt.delivery import Connection, Tally, target
from snowmelt.generator import Batch, batches

DEFAULT_URL = "http://127.0.0.1:9090"


def command(
    url: Annotated[str, typer.Option("--url", metavar="URL", help="Collector to send to.")] = DEFAULT_URL,
    count: Annotated[int, typer.Option("--count", metavar="N", min=0, help="Events to send; 0: until Ctrl-C.")] = 100,
    rate: Annotated[float, typer.Option("--rate", metavar="N", min=0, help="Events a second; 0: as fast as answers come.")] = 0,
    broken: Annotated[
        float, typer.Option("--broken", metavar="FRACTION", min=0, max=1, help="Part of the events that must fail, 0 to 1.")
    ] = 0,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Same seed, same events and ids, but for timestamps. Default: any.")
    ] = None,
    connections: Annotated[
        int, typer.Option("--connections", metavar="N", min=1, max=64, help="Requests under way at once.")
    ] = 4,
    patience: Annotated[
        float, typer.Option("--patience", metavar="SECONDS", min=0, help="How long a request is retried before giving up.")
    ] = 60,
    log: Annotated[
        Path | None, typer.Option("--log", metavar="FILE", help="Write the id of every event answered with 200, one a line.")
    ] = None,
) -> None:
    """Send realistic events of an invented shop, retrying as trackers do."""
    target(url)
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    tally = Tally(log=log.open("w", encoding="utf-8") if log else None)
    began = time.monotonic()
    try:
        run(paced(batches(seed, count, broken), rate), url, tally, connections, patience)
    finally:
        if tally.log is not None:
            tally.log.close()
    seconds = max(time.monotonic() - began, 1e-6)
    print(
        f"accepted {tally.accepted}  refused {tally.refused}  given up {tally.given_up}  retries {tally.retries}  "
        f"in {seconds:.1f} s ({tally.accepted / seconds:.0f} events/s, seed {seed})"
    )
    if tally.lost:
        raise typer.Exit(1)


def paced(source: Iterator[Batch], rate: float) -> Iterator[Batch]:
    """The batches, not before their time at `rate` events a second."""
    began, sent = time.monotonic(), 0
    for batch in source:
        if rate:
            time.sleep(max(0.0, began + sent / rate - time.monotonic()))
        sent += len(batch.events)
        yield batch


def run(source: Iterator[Batch], url: str, tally: Tally, connections: int, patience: float) -> None:
    """Sends everything over several connections. Ctrl-C stops making events and gives up what is still refused."""
    waiting: queue.Queue[Batch | None] = queue.Queue(maxsize=connections)
    stop = threading.Event()
    workers = [
        threading.Thread(target=_work, args=(waiting, url, tally, patience, stop), daemon=True) for _ in range(connections)
    ]
    for worker in workers:
        worker.start()
    try:
        for batch in source:
            waiting.put(batch)
    except KeyboardInterrupt:
        stop.set()
    for _ in workers:
        waiting.put(None)
    for worker in workers:
        worker.join()


def _work(waiting: "queue.Queue[Batch | None]", url: str, tally: Tally, patience: float, stop: threading.Event) -> None:
    connection = Connection(url, tally, patience)
    while (batch := waiting.get()) is not None:
        connection.deliver(batch, stop)
    connection.close()
