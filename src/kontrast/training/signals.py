"""SIGINT and SIGTERM end a run after its step, with everything saved."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}


@contextmanager
def caught_signals() -> Iterator[list[int]]:
    """A list that holds the exit code once SIGINT or SIGTERM came; the loop saves and ends after the step."""
    caught: list[int] = []
    before = {}
    try:
        for number, code in SIGNALS.items():
            before[number] = signal.signal(number, lambda *_, code=code: caught.append(code))
    except ValueError:
        pass  # not the main thread: the host program keeps its own handlers
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
