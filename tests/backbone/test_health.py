"""Services that serve no requests tell whether they still move, and end when they are told to."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backbone import health
from backbone.errors import ConfigurationError
from backbone.settings import ServiceSettings
from backbone.stopping import Stop

ROOT = Path(__file__).parents[2]


def ask(port: int | None, method: str = "GET", path: str = "/health") -> tuple[int, bytes]:
    assert port is not None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_a_service_that_goes_from_step_to_step_is_well() -> None:
    stop = Stop()
    port = health.serve(ServiceSettings(health_port=0, stuck_seconds=0.2), stop)
    assert ask(port) == (200, b"ok")
    assert ask(port, "HEAD") == (200, b"")
    assert ask(port, path="/health?x=1") == (200, b"ok")
    time.sleep(0.25)
    assert ask(port) == (503, b"Service Unavailable")
    assert not stop.is_set()
    assert ask(port) == (200, b"ok")
    stop.wait(0.25)  # a pause is a step, too
    assert ask(port) == (200, b"ok")


def test_it_answers_nothing_else() -> None:
    port = health.serve(ServiceSettings(health_port=0), Stop())
    assert ask(port, path="/")[0] == 404
    assert ask(port, path="/healthy")[0] == 404
    assert ask(port, "POST")[0] == 501


def test_without_a_port_nothing_listens() -> None:
    assert health.serve(ServiceSettings(), Stop()) is None


def test_a_taken_port_is_a_fault_that_names_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = ServiceSettings(health_port=taken.getsockname()[1])
        with pytest.raises(ConfigurationError, match=r"service\.health_port.*in use"):
            health.serve(settings, Stop())


BUSY = """
import sys, time
from backbone.stopping import on_signals
stop = on_signals({longest})
print("ready", flush=True)
while not stop.is_set():
    time.sleep(0.01)
print("told", flush=True)
time.sleep({step})
print("done", flush=True)
"""


def service(longest: str, step: float) -> "subprocess.Popen[str]":
    program = BUSY.format(longest=longest, step=step)
    started = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_told_to_stop_finishes_its_step(number: int) -> None:
    running = service("10.0", 0.2)
    os.kill(running.pid, number)
    assert running.communicate(timeout=10)[0] == "told\ndone\n"
    assert running.returncode == 0


def test_a_step_that_takes_too_long_is_not_waited_for() -> None:
    running = service("0.2", 60)
    os.kill(running.pid, signal.SIGTERM)
    said, complained = running.communicate(timeout=10)
    assert said == "told\n"
    assert "it ends now" in complained
    assert running.returncode == 0


def test_many_signals_at_once_do_no_harm() -> None:
    running = service("None", 0.2)
    for _ in range(50):
        os.kill(running.pid, signal.SIGTERM)
    assert running.communicate(timeout=10)[0] == "told\ndone\n"
    assert running.returncode == 0
