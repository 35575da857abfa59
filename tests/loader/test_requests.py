"""What other processes ask of the loader: files that outlive kills and vanish when they are answered."""

import os
from pathlib import Path

import pytest

from loader.requests import Request, Requests


def test_a_request_survives_a_kill_and_is_served_again(tmp_path: Path) -> None:
    requests = Requests(tmp_path)
    name = requests.ask("maintain", {"backup": None})
    served: list[Request] = []

    def killed(request: Request) -> None:
        served.append(request)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Requests(tmp_path).serve(killed)
    assert requests.answer(name) is None
    Requests(tmp_path).serve(lambda request: {"for": request.kind})
    assert served == [Request(name, "maintain", {"backup": None})]
    assert requests.answer(name) == {"for": "maintain"}
    assert list((tmp_path / "requests").iterdir()) == []


def test_a_request_is_for_its_owner_only_and_rubbish_is_put_away(tmp_path: Path) -> None:
    requests = Requests(tmp_path)
    name = requests.ask("erase", {"user_id": ["1"]})
    assert (tmp_path / "requests" / f"{name}.json").stat().st_mode & 0o077 == 0
    for rubbish in ("[]", "{", '"x"', '{"kind": "a"}'):
        (tmp_path / "requests" / f"a{rubbish.encode().hex()}.json").write_text(rubbish)
    stale = tmp_path / "requests/old.done.json"
    stale.write_text("{}")
    os.utime(stale, (1, 1))
    Requests(tmp_path).serve(lambda _: {})
    assert [path.name for path in (tmp_path / "requests").iterdir()] == [f"{name}.done.json"]
