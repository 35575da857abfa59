"""Documentation is tested: nothing undocumented, nothing documented that is not there, no dead link, commands that exist."""

import re
import tomllib
from pathlib import Path

import pytest
import reference

from backbone.settings import SHARED, keys
from snowmelt.configuration import MODELS

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "enrichments/README.md"]
COMMANDS = reference.every_command()
FIRST_WORDS = {name.split(" ")[0] for name in COMMANDS}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


@pytest.mark.parametrize("page", reference.PAGES)
def test_what_is_made_from_the_program_is_up_to_date(page: str) -> None:
    assert text_of(page) == reference.renewed(page), "run `make docs`"


@pytest.mark.parametrize("path", list(keys({**SHARED, **MODELS})), ids=".".join)
def test_every_setting_is_explained(path: tuple[str, ...]) -> None:
    section, key = ".".join(path[:-1]), path[-1]
    chapter = text_of("docs/configuration.md").partition(f"## `[{section}]`")[2].partition("\n## ")[0]
    (row,) = [line for line in chapter.splitlines() if line.startswith(f"| `{key}` |")]
    meaning = row.split(" | ")[2]
    assert len(meaning) > 8, f"{section}.{key} has no docstring"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_flag_is_explained(command: str) -> None:
    chapter = text_of("docs/commands.md").partition(f"## `snowmelt {command}")[2].partition("\n## ")[0]
    flags = [flag for parameter in COMMANDS[command].params for flag in parameter.opts if parameter.name != "help"]
    assert chapter
    assert [flag for flag in flags if f"`{flag}`" not in chapter and f"`<{flag}>`" not in chapter] == []
    assert COMMANDS[command].help


def required() -> list[str]:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    named = [*project["dependencies"], *(name for extra in project["optional-dependencies"].values() for name in extra)]
    return [re.split(r"[\s<>=!\[~;]", name)[0] for name in named]


@pytest.mark.parametrize("package", required())
def test_every_dependency_has_its_reason(package: str) -> None:
    assert re.search(rf"^\| `{re.escape(package)}` \| .{{5,}} \|$", text_of("docs/dependencies.md"), re.MULTILINE)


def test_no_dependency_is_explained_that_is_not_there() -> None:
    explained = re.findall(r"^\| `([^`]+)` \|", text_of("docs/dependencies.md"), re.MULTILINE)
    assert sorted(explained) == sorted(required())


@pytest.mark.parametrize("package", required())
def test_every_dependency_is_pinned_with_hashes(package: str) -> None:
    pins = text_of("requirements/dev.txt")
    assert re.search(rf"^{re.escape(package.lower())}==\S+ \\\n    --hash=sha256:", pins, re.MULTILINE), "run `make requirements`"


def test_pins_name_no_place_to_download_from() -> None:
    for file in (ROOT / "requirements").glob("*.txt"):
        assert not re.search(r"https?:|index-url|find-links|trusted-host", file.read_text("utf-8")), name_of(file)
    assert '"resolved"' not in text_of("tests/journeys/package-lock.json")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    local = [link.partition("#")[0] for link in links if not link.startswith(("http://", "https://", "#"))]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_shown_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    assert set(re.findall(r"^(?:\.venv/bin/)?snowmelt ([a-z]+)", text, re.MULTILINE)) <= FIRST_WORDS
    assert set(re.findall(r"`snowmelt ([a-z]+)[ `|]", text)) <= FIRST_WORDS
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_flags_shown_exist(page: Path) -> None:
    for command, rest in re.findall(r"snowmelt ([a-z]+)((?: [^`\n|]*)?)", page.read_text("utf-8")):
        if command in FIRST_WORDS:
            meant = [each for name, each in COMMANDS.items() if name.split(" ")[0] == command]
            known = {flag for each in meant for parameter in each.params for flag in parameter.opts} | {"--help"}
            outside_quotes = re.sub(r'"[^"]*"', "", rest)
            assert set(re.findall(r"--[a-z-]+", outside_quotes)) <= known, f"snowmelt {command}{rest}"


def test_settings_shown_exist() -> None:
    known = {".".join(path) for path in keys({**SHARED, **MODELS})}
    sections = {part for key in known for part in (key.rpartition(".")[0],)} | set(SHARED) | set(MODELS)
    for page in PAGES:
        named = set(
            re.findall(r"`((?:collector|enricher|loader|bus|data|iglu)\.[a-z_.]+)(?: = [^`]*)?`", page.read_text("utf-8"))
        )
        files = {name for name in named if name.endswith((".py", ".db"))}
        assert named - files <= known | sections, name_of(page)


def test_the_readme_is_short_and_names_the_two_commands() -> None:
    readme = text_of("README.md")
    assert len(readme.splitlines()) <= 150
    assert "\nmake up\n" in readme
    assert "\nmake test\n" in readme


def test_every_page_can_be_reached_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[^)#]+)\)", text_of("README.md")))
    from_pages = {
        f"docs/{link}" for page in (ROOT / "docs").glob("*.md") for link in re.findall(r"\]\(([a-z-]+\.md)", page.read_text())
    }
    from_root = {link for page in ROOT.glob("*.md") for link in re.findall(r"\]\((docs/[^)#]+)\)", page.read_text())}
    assert {name_of(page) for page in (ROOT / "docs").glob("*.md")} <= linked | from_pages | from_root


def test_every_file_a_company_looks_for_is_there() -> None:
    assert "Apache License" in text_of("LICENSE")
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"):
        assert len(text_of(name)) > 500
