"""Where the files that enrichments read come from: a folder given on the command line, this machine, or HTTP.

A file is named by `uri` (a folder) and `database` (its name in there). It is looked for, in this order:

1. in the folder of `--assets`, by base name; with such a folder nothing is ever downloaded;
2. `file:` URIs and plain paths: on this machine, relative ones from the folder of the configuration file;
3. `http:` and `https:`: downloaded into a cache and kept fresh by ETag. If a download fails, the copy of last time serves.

`Watched` is how a file in use is replaced: its time stamp is looked at once a second at most, the new content is read beside the
old, and takes its place only when that worked.
"""

import hashlib
import http.client
import logging
import os
import random
import shutil
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

_log = logging.getLogger("snowmelt.enricher")

MAX_BYTES: Final = 2_000_000_000
"""Largest file that is downloaded."""
TIMEOUT: Final = 30.0
"""Seconds without a byte after which a download counts as failed."""
ATTEMPTS: Final = 4
REFRESH: Final = 7 * 24 * 3600.0
"""Seconds between two looks at downloaded files (Snowplow's default for `assetsUpdatePeriod`)."""
_FIRST_DELAY = 0.5
_CHUNK = 1 << 20
_LOOK_EVERY = 1.0

T = TypeVar("T")


class MissingAsset(NamedTuple):
    """Why there is no file; the text is fit for a user."""

    problem: str


class _Refused(Exception):
    """The answer will not change by asking again."""


class Assets:
    """Finds asset files. `folder` is that of `--assets`; `downloads` holds what came over HTTP."""

    def __init__(
        self, folder: Path | None, downloads: Path, *, refresh: float = REFRESH, first_delay: float = _FIRST_DELAY
    ) -> None:
        self._folder = folder
        self._downloads = downloads
        self._refresh = refresh
        self._first_delay = first_delay
        self._remote: dict[str, Path] = {}
        self._stop = threading.Event()

    def find(self, uri: str | None, database: str, base: Path) -> Path | MissingAsset:
        """The file's path on this machine. `base` is where relative `file:` URIs start. May take seconds (download)."""
        name = Path(database).name
        if name in ("", ".", ".."):
            return MissingAsset(f"{database!r} is no file name")
        if self._folder is not None and (given := self._folder / name).is_file():
            return given
        if uri is None:
            return MissingAsset(f"{name}: no uri says where it is")
        scheme = urlsplit(uri).scheme.lower()
        if scheme in ("http", "https"):
            return self._download_once(uri.rstrip("/") + "/" + database.lstrip("/"), name)
        if scheme not in ("", "file"):
            return MissingAsset(f"{uri}: cannot read {scheme}: addresses; use http:, https:, file: or a path on this machine")
        local = _local_path(uri)
        if local is None:
            return MissingAsset(f"{uri}: a file: address has no host; write file:/folder")
        path = base / local / database
        return path if path.is_file() else MissingAsset(f"no file {path}{self._also()}")

    def close(self) -> None:
        """Ends the thread that keeps downloads fresh."""
        self._stop.set()

    def _also(self) -> str:
        return f", nor in {self._folder}" if self._folder is not None else ""

    def _download_once(self, uri: str, name: str) -> Path | MissingAsset:
        if self._folder is not None:
            return MissingAsset(f"no file {name} in {self._folder}")
        known = self._remote.get(uri)
        if known is not None:
            return known
        target = self._downloads / hashlib.sha256(uri.encode("utf-8", "replace")).hexdigest()[:16] / name
        problem = self._fetch(uri, target)
        if problem is not None:
            if not target.is_file():
                return MissingAsset(f"{uri}: {problem}")
            _log.warning("asset %s: %s; using the copy of an earlier download", name, problem)
        if not self._remote and self._refresh > 0:
            threading.Thread(target=self._keep_fresh, name="assets", daemon=True).start()
        self._remote[uri] = target
        return target

    def _keep_fresh(self) -> None:
        while not self._stop.wait(self._refresh):
            for uri, target in list(self._remote.items()):
                problem = self._fetch(uri, target)
                if problem is not None:
                    _log.warning("asset %s: %s; keeping the copy in use", target.name, problem)

    def _fetch(self, uri: str, target: Path) -> str | None:
        """Downloads unless the server says nothing changed; returns what went wrong. Full jitter between attempts."""
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(random.uniform(0, self._first_delay * 2**attempt))
            try:
                _download(uri, target)
                return None
            except _Refused as error:
                return str(error)
            except (OSError, http.client.HTTPException, ValueError) as error:
                problem = f"download failed: {error}"
        return problem


def _local_path(uri: str) -> str | None:
    """None for a `file:` URI that names another machine."""
    if not uri.lower().startswith("file:"):
        return uri
    path = uri[5:]
    if path.startswith("//"):
        host, slash, path = path[2:].partition("/")
        if host not in ("", "localhost"):
            return None
        path = slash + path
    return unquote(path)


def _download(uri: str, target: Path) -> None:
    """Writes `target` and its ETag, the file first, each in one step. Raises OSError, HTTPException, _Refused."""
    target.parent.mkdir(parents=True, exist_ok=True)
    etag = target.with_name(target.name + ".etag")
    request = urllib.request.Request(uri, headers={"User-Agent": "snowmelt"})
    if target.is_file() and etag.is_file():
        request.add_header("If-None-Match", etag.read_text(encoding="utf-8"))
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            new_etag = answer.headers.get("ETag")
            etag.unlink(missing_ok=True)
            _store(answer, target)
            if new_etag is not None:
                etag.write_text(new_etag, encoding="utf-8")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 304:
            return
        text = f"the server answered {error.code}"
        if 400 <= error.code < 500 and error.code not in (408, 425, 429):
            raise _Refused(text) from None
        raise OSError(text) from None


def _store(answer: http.client.HTTPResponse, target: Path) -> None:
    announced = answer.headers.get("Content-Length")
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name + ".")
    try:
        with os.fdopen(handle, "wb") as file:
            size = 0
            while chunk := answer.read(_CHUNK):
                size += len(chunk)
                if size > MAX_BYTES:
                    raise _Refused(f"larger than {MAX_BYTES} bytes")
                file.write(chunk)
        if announced is not None and announced.isdecimal() and int(announced) != size:
            raise OSError(f"connection closed after {size} of {announced} bytes")
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def private_copy(path: Path, use: Callable[[str], T]) -> T:
    """What `use` makes of a copy of the file that nobody else can write to; the copy has no name afterwards.

    For readers that map a file into memory: someone who overwrites the original in place would otherwise kill the process.
    """
    with tempfile.NamedTemporaryFile(prefix="snowmelt-", suffix=path.suffix) as copy:
        with path.open("rb") as source:
            shutil.copyfileobj(source, copy, _CHUNK)
        copy.flush()
        return use(copy.name)


class Watched(Generic[T]):
    """A value made from files, made anew after one of them changed. `build` may raise anything; then the old value stays."""

    def __init__(self, paths: Sequence[Path], build: Callable[[], T]) -> None:
        self._paths = tuple(paths)
        self._build = build
        self._seen = self._stamp()
        self._next_look = time.monotonic() + _LOOK_EVERY
        self._value = build()

    def current(self) -> T:
        """Costs a clock reading, and a `stat` of each file once a second."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY
            self._look()
        return self._value

    def _look(self) -> None:
        stamp = self._stamp()
        if stamp is None or stamp == self._seen:
            return
        self._seen = stamp
        names = ", ".join(path.name for path in self._paths)
        try:
            self._value = self._build()
        except Exception as error:  # whatever is wrong with the new file, events go on with the old one
            _log.warning("changed asset %s cannot be used, keeping the previous content: %s", names, error)
        else:
            _log.info("reloaded asset %s", names)

    def _stamp(self) -> tuple[tuple[int, int, int], ...] | None:
        """None while a file is away, which is how some tools replace one."""
        try:
            found = [path.stat() for path in self._paths]
        except OSError:
            return None
        return tuple((status.st_mtime_ns, status.st_size, status.st_ino) for status in found)
