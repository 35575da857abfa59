"""The table `events` as Terraform makes it: the columns with which the loader would make it itself."""

import json
from collections.abc import Iterator
from pathlib import Path

from loader.warehouses.bigquery_atomic import resource

FILE = Path("terraform/modules/warehouse/events.json")


def files() -> Iterator[tuple[Path, str]]:
    yield FILE, json.dumps(resource()["schema"]["fields"], indent=2) + "\n"
