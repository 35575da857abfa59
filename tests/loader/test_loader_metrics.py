"""What the loader tells a monitoring system."""

import urllib.request
from typing import Any

from loader.app import Loader
from loader.warehouses.ducklake import DuckLake

CART = "iglu:com.acme/cart/jsonschema/"
TEXT = {"type": "string"}


def test_metrics_tell_what_became_of_events(station: Any, line: Any) -> None:
    station.schemas.put(f"{CART}1-0-0", properties={"total": TEXT})
    station.schemas.put(f"{CART}1-0-1", properties={"total": {"type": "integer"}})
    same = line(app_id="a", event_fingerprint="f")
    lines = [same, same, b"nonsense", line(event=(f"{CART}1-0-0", {"total": "1"})), line(event=(f"{CART}1-0-1", {"total": 1}))]
    station.send(*(("enriched", text) for text in lines))
    warehouse = DuckLake(station.folder / "warehouse", 1000)
    loader = Loader(station.bus, warehouse, station.resolver, station.settings)
    port = loader.metrics.serve(0)
    loader.run(lambda: True)
    told = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    loader.close()
    assert "snowmelt_loader_events_good_total 3.0" in told
    assert "snowmelt_loader_events_bad_total 1.0" in told
    assert "snowmelt_loader_duplicates_total 1.0" in told
    assert "snowmelt_loader_columns_added_total 2.0" in told
    assert "snowmelt_loader_recovery_columns_total 1.0" in told
    assert loader.metrics.value("snowmelt_loader_fields") > 130
    assert loader.metrics.value("snowmelt_loader_e2e_latency_seconds") == 1
