"""Faults of the emulator, to order: what the real service does on its bad days."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc


@dataclass
class Fault:
    """`lost`: the call is carried out, but its answer never comes. `times`: how often; None until it is taken back."""

    method: str
    code: grpc.StatusCode
    lost: bool
    times: int | None


class Faults:
    """`service_time`: seconds that every Publish, Pull and Acknowledge takes."""

    def __init__(self) -> None:
        self.service_time = 0.0
        self.calls: dict[str, int] = {}
        self._lock = threading.Lock()
        self._ordered: list[Fault] = []

    def order(self, code: grpc.StatusCode, method: str = "*", times: int | None = None, lost: bool = False) -> Fault:
        """For a method as `Publish`, or all."""
        fault = Fault(method, code, lost, times)
        with self._lock:
            self._ordered.append(fault)
        return fault

    def take_back(self, fault: Fault) -> None:
        with self._lock:
            if fault in self._ordered:
                self._ordered.remove(fault)

    @contextmanager
    def during(self, code: grpc.StatusCode, method: str = "*") -> Iterator[None]:
        fault = self.order(code, method)
        try:
            yield
        finally:
            self.take_back(fault)

    def next(self, method: str) -> Fault | None:
        """The fault this call of a method meets."""
        if self.service_time:
            time.sleep(self.service_time)
        with self._lock:
            self.calls[method] = self.calls.get(method, 0) + 1
            for fault in self._ordered:
                if fault.method in ("*", method):
                    if fault.times is not None:
                        fault.times -= 1
                        if not fault.times:
                            self._ordered.remove(fault)
                    return fault
        return None
