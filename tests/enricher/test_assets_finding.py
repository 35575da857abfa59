"""Where asset files come from: a given folder, this machine, or a server with all its moods."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from enricher.assets import ATTEMPTS, Assets, MissingAsset

NAME = "GeoLite2-City.mmdb"


class Server(ThreadingHTTPServer):
    """Serves `body` under every path; the first answers are those of `moods`, a status or "short" for a cut connection."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.etag = b"first", '"1"'
        self.moods: list[int | str] = []
        self.seen: list[tuple[str, str | None, int]] = []
        """(path, If-None-Match, status) of each request."""

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/maxmind"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, known = self.server, self.headers.get("If-None-Match")
        mood = server.moods.pop(0) if server.moods else 304 if known == server.etag else 200
        status = 200 if mood == "short" else int(mood)
        server.seen.append((self.path, known, status))
        body = server.body if status == 200 else b""
        self.send_response(status)
        self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:2] if mood == "short" else body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def find(
    downloads: Path, uri: str | None, database: str = NAME, folder: Path | None = None, base: Path = Path()
) -> Path | MissingAsset:
    assets = Assets(folder, downloads, first_delay=0.001)
    try:
        return assets.find(uri, database, base)
    finally:
        assets.close()


def test_the_given_folder_is_asked_first_and_by_base_name(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"x")
    assert find(tmp_path / "d", "s3://acme", f"deep/{NAME}", folder=tmp_path) == tmp_path / NAME


def test_with_a_given_folder_nothing_is_downloaded(tmp_path: Path, server: Server) -> None:
    found = find(tmp_path / "d", server.uri, folder=tmp_path)
    assert isinstance(found, MissingAsset)
    assert str(tmp_path) in found.problem
    assert server.seen == []


@pytest.mark.parametrize("form", ["file:{}", "file://{}", "file://localhost{}", "{}", "FILE:{}"])
def test_a_folder_of_this_machine(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    (folder / NAME).write_bytes(b"x")
    uri = form.format(str(folder).replace(" ", "%20") if form != "{}" else folder)
    found = find(tmp_path / "d", uri)
    assert isinstance(found, Path)
    assert found.read_bytes() == b"x"


@pytest.mark.parametrize("uri", ["file:assets", "assets", "file:./assets/"])
def test_a_relative_folder_starts_at_the_configuration(tmp_path: Path, uri: str) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / NAME).write_bytes(b"x")
    assert isinstance(find(tmp_path / "d", uri, base=tmp_path), Path)
    assert isinstance(find(tmp_path / "d", uri, folder=tmp_path / "elsewhere", base=tmp_path), Path)


@pytest.mark.parametrize(
    ("uri", "database", "problem"),
    [
        ("s3://acme/geo", NAME, "cannot read s3: addresses"),
        ("gs://acme/geo", NAME, "cannot read gs: addresses"),
        ("file://other/geo", NAME, "has no host"),
        ("file:nowhere", NAME, "no file"),
        (None, NAME, "no uri"),
        ("file:/", "..", "is no file name"),
        ("file:/", "", "is no file name"),
    ],
)
def test_what_cannot_be_found_says_why(tmp_path: Path, uri: str | None, database: str, problem: str) -> None:
    found = find(tmp_path / "d", uri, database, base=tmp_path)
    assert isinstance(found, MissingAsset)
    assert problem in found.problem


def test_a_download_is_kept_and_asked_for_again_by_its_etag(tmp_path: Path, server: Server) -> None:
    first = find(tmp_path, server.uri)
    assert isinstance(first, Path)
    assert (first.read_bytes(), first.name) == (b"first", NAME)
    assert find(tmp_path, server.uri) == first
    server.body, server.etag = b"second", '"2"'
    assert find(tmp_path, server.uri + "/") == first
    assert first.read_bytes() == b"second"
    path = f"/maxmind/{NAME}"
    assert server.seen == [(path, None, 200), (path, '"1"', 304), (path, '"1"', 200)]


def test_one_run_downloads_a_file_once(tmp_path: Path, server: Server) -> None:
    assets = Assets(None, tmp_path)
    assert assets.find(server.uri, NAME, Path()) == assets.find(server.uri, NAME, Path())
    assets.close()
    assert len(server.seen) == 1


def test_files_of_one_name_from_two_places_do_not_meet(tmp_path: Path, server: Server) -> None:
    assert find(tmp_path, server.uri) != find(tmp_path, server.uri + "/other")


@pytest.mark.parametrize("moods", [[503], [500, 429], ["short"], ["short", 503, "short"]], ids=str)
def test_a_passing_trouble_is_sat_out(tmp_path: Path, server: Server, moods: list[int | str]) -> None:
    server.moods = list(moods)
    found = find(tmp_path, server.uri)
    assert isinstance(found, Path)
    assert found.read_bytes() == b"first"
    assert len(server.seen) == len(moods) + 1


@pytest.mark.parametrize(("mood", "requests"), [(404, 1), (403, 1), (503, ATTEMPTS), ("short", ATTEMPTS)])
def test_a_lasting_trouble_is_reported(tmp_path: Path, server: Server, mood: int | str, requests: int) -> None:
    server.moods = [mood] * 10
    found = find(tmp_path, server.uri)
    assert isinstance(found, MissingAsset)
    assert server.uri in found.problem
    assert len(server.seen) == requests
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("mood", [404, 503, "short"])
def test_the_copy_of_last_time_serves_while_the_server_is_in_trouble(tmp_path: Path, server: Server, mood: int | str) -> None:
    find(tmp_path, server.uri)
    server.moods, server.body, server.etag = [mood] * 10, b"second", '"2"'
    found = find(tmp_path, server.uri)
    assert isinstance(found, Path)
    assert found.read_bytes() == b"first"


def test_a_copy_whose_renewal_was_cut_off_is_asked_for_in_full(tmp_path: Path, server: Server) -> None:
    find(tmp_path, server.uri)
    server.moods, server.body, server.etag = ["short"] * ATTEMPTS, b"second", '"2"'
    find(tmp_path, server.uri)
    found = find(tmp_path, server.uri)
    assert isinstance(found, Path)
    assert found.read_bytes() == b"second"


def test_what_is_too_large_is_refused(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enricher.assets.MAX_BYTES", 4)
    found = find(tmp_path, server.uri)
    assert isinstance(found, MissingAsset)
    assert "larger than 4 bytes" in found.problem
    assert len(server.seen) == 1


def test_nobody_listening_is_reported(tmp_path: Path, server: Server) -> None:
    uri = server.uri
    server.shutdown()
    server.server_close()
    found = find(tmp_path, uri)
    assert isinstance(found, MissingAsset)
    assert "download failed" in found.problem


def test_a_running_service_looks_for_new_content(tmp_path: Path, server: Server) -> None:
    assets = Assets(None, tmp_path, refresh=0.02)
    found = assets.find(server.uri, NAME, Path())
    assert isinstance(found, Path)
    server.body, server.etag = b"second", '"2"'
    waiting = threading.Event()
    for _ in range(500):
        if found.read_bytes() == b"second":
            break
        waiting.wait(0.01)
    assets.close()
    assert found.read_bytes() == b"second"
