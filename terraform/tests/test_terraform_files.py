"""What can be told from the files alone: alerts and runbooks, what is generated, pins, regions, and what must not be in Git."""

import json
import re
import subprocess
from pathlib import Path

import offline
import pytest
import reference
import yaml
from google.cloud import bigquery

from backbone.metrics import LOADER
from loader.warehouses.bigquery_atomic import differences

RUNBOOKS = offline.ROOT / "docs" / "runbooks"
ALERTS = offline.TERRAFORM / "modules" / "observability" / "alerts.tf"
DASHBOARDS = ALERTS.parent / "dashboards"
SECTIONS = ("## What it means", "## Look", "## Do")
_ALERT = re.compile(r"^    ([a-z-]+) = \{\n      title +=", re.MULTILINE)
_REGION = re.compile(
    r"\b(?:africa|asia|australia|europe|me|northamerica|southamerica|us)-(?:north|south|east|west|central)[a-z]*\d\b|\"(?:EU|US)\""
)


def alerts() -> list[str]:
    found = _ALERT.findall(ALERTS.read_text("utf-8"))
    assert len(found) > 15
    return found


def sources() -> list[Path]:
    return sorted(file for folder in offline.folders() for file in folder.glob("*.tf"))


def name_of(file: Path) -> str:
    return str(file.relative_to(offline.TERRAFORM))


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert sorted(alerts()) == sorted(page.stem for page in RUNBOOKS.glob("*.md") if page.stem != "README")


@pytest.mark.parametrize("alert", alerts())
def test_a_runbook_says_what_it_means_where_to_look_and_what_to_do(alert: str) -> None:
    text = (RUNBOOKS / f"{alert}.md").read_text("utf-8")
    assert [heading for heading in SECTIONS if f"\n{heading}\n" in text] == list(SECTIONS)
    assert min(len(part) for part in re.split(r"\n## .*\n", text)[1:]) > 80
    assert f"[{alert}]({alert}.md)" in (RUNBOOKS / "README.md").read_text("utf-8")
    title = re.search(rf'^    {alert} = \{{\n      title +=\s+"(.*)"', ALERTS.read_text("utf-8"), re.MULTILINE)
    assert title is not None
    assert text.startswith(f"# {title[1]}\n")


@pytest.mark.parametrize("path", [path for path, _ in reference.files()], ids=lambda path: str(path.name))
def test_what_is_made_from_the_code_is_up_to_date(path: Path) -> None:
    assert (offline.ROOT / path).read_text("utf-8") == dict(reference.files())[path], "run `make docs`"


def test_no_dashboard_is_left_over() -> None:
    assert {path for path, _ in reference.files()} >= {path.relative_to(offline.ROOT) for path in DASHBOARDS.iterdir()}


def test_every_metric_is_drawn_and_no_other() -> None:
    drawn = set(re.findall(r"snowmelt_[a-z0-9_]+", (DASHBOARDS / "loader.json").read_text("utf-8")))
    assert drawn == {f"{metric.name}_bucket" if metric.kind == "histogram" else metric.name for metric in LOADER}


@pytest.mark.parametrize("board", sorted(DASHBOARDS.glob("*.json")), ids=lambda path: str(path.stem))
def test_charts_of_a_dashboard_do_not_overlap(board: Path) -> None:
    layout = json.loads(board.read_text("utf-8"))["mosaicLayout"]
    places = [(tile["xPos"], tile["yPos"]) for tile in layout["tiles"]]
    assert len(set(places)) == len(places) > 3
    assert all(tile["xPos"] + tile["width"] <= layout["columns"] for tile in layout["tiles"])


def test_alerts_watch_metrics_that_exist() -> None:
    series = {f"{metric.name}{suffix}" for metric in LOADER for suffix in ("", "_bucket" if metric.kind == "histogram" else "")}
    watched = set(re.findall(r"snowmelt_loader_[a-z0-9_]+", ALERTS.read_text("utf-8")))
    assert len(watched) > 3
    assert watched <= series


def test_the_loader_takes_over_the_table_that_terraform_makes() -> None:
    text = (offline.TERRAFORM / "modules" / "warehouse" / "main.tf").read_text("utf-8")
    partitioning = bigquery.TimePartitioning(type_="DAY", field="load_tstamp")
    assert '"DAY"' in text
    assert 'field = "load_tstamp"' in text
    fields = json.loads((offline.TERRAFORM / "modules" / "warehouse" / "events.json").read_text("utf-8"))
    assert differences(fields, partitioning, "TABLE") == []
    assert [field["mode"] for field in fields if field["name"] == "load_tstamp"] == ["REQUIRED"]


@pytest.mark.parametrize("file", sources(), ids=name_of)
def test_nothing_names_a_region(file: Path) -> None:
    assert _REGION.findall(file.read_text("utf-8")) == []


@pytest.mark.parametrize("folder", offline.folders(), ids=name_of)
def test_the_provider_is_pinned_exactly(folder: Path) -> None:
    text = (folder / "versions.tf").read_text("utf-8")
    assert re.findall(r'version = "(.*)"', text) == [">= 1.9", "6.50.0"]


def test_no_lock_state_or_plan_is_in_git() -> None:
    listed = subprocess.run(["git", "ls-files", "terraform"], cwd=offline.ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no Git repository")
    names = [Path(name).name for name in listed.stdout.splitlines()]
    assert "main.tf" in names
    assert [name for name in names if name.endswith((".lock.hcl", ".tfplan", ".auto.tfvars.json")) or ".tfstate" in name] == []


def test_environments_differ_in_main_only() -> None:
    folders = [offline.TERRAFORM / "envs" / name for name in ("dev", "staging", "prod")]
    for name in ("variables.tf", "outputs.tf", "versions.tf"):
        texts = {(folder / name).read_text("utf-8").replace(f'"{folder.name}"', '""') for folder in folders}
        assert len(texts) == 1, name


def test_the_build_script_is_a_script() -> None:
    done = subprocess.run(["bash", "-n", "terraform/build.sh"], cwd=offline.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_release_on_github_asks_for_what_bootstrap_prints() -> None:
    text = (offline.TERRAFORM / "github" / "release.yml").read_text("utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    assert jobs["plan"]["if"] == "github.event_name == 'pull_request'"
    output = (offline.TERRAFORM / "bootstrap" / "outputs.tf").read_text("utf-8")
    assert set(re.findall(r"\bvars\.([A-Z_]+)", text)) == {*re.findall(r"^    ([A-Z_]+) +=", output, re.MULTILINE), "TFVARS"}
    applied = [step["run"] for step in jobs["release"]["steps"] if "apply" in step.get("run", "")]
    assert len(applied) == 1
    assert "-refresh=false" in applied[0]
