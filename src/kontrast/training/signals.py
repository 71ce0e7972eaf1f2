"""SIGHUP, SIGINT and SIGTERM: nothing is lost, and a sentence is said, wherever in a run they come.

While training, a signal is noted, and the run ends after its step with everything saved. Before and after (reading,
building, evaluating, writing the model) it ends what is being done at once, by `Interrupted`: there is nothing to save,
or the last checkpoint has it all.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from types import FrameType

from kontrast.errors import Interrupted

SIGNALS = {signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGTERM: 143}


class Signals:
    """What came, and where the run stood.

    doing  the phase, in words, if anything lasts;  run  the folder to go on from, once there is one
    """

    def __init__(self, doing: str) -> None:
        self.doing = doing
        self.run: Path | None = None
        self.code = 0  # the exit code of the signal that came first; 0: none did
        self._noting = False

    def came(self, number: int, frame: FrameType | None = None) -> None:
        """The handler."""
        self.code = self.code or SIGNALS[signal.Signals(number)]
        if not self._noting:
            raise self.interrupted()

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Inside, a signal waits. Left without a failure, it is raised: who ends by it asks for `code` inside."""
        before, self._noting = self._noting, True
        try:
            yield
        finally:
            self._noting = before
        if self.code and not before:
            raise self.interrupted()

    def interrupted(self) -> Interrupted:
        """What is raised, with what to do next."""
        told = f"Interrupted while {self.doing}"
        if not self.doing:
            return Interrupted("Interrupted before it was done.", self.code)
        if self.run is None:
            return Interrupted(f"{told}: nothing was begun, and nothing is left.", self.code)
        return Interrupted(
            f"{told}. Nothing is lost; go on with: kontrast train --resume {quote(str(self.run))}", self.code
        )


@contextmanager
def caught(doing: str) -> Iterator[Signals]:
    """The signals of what is done inside. One that was ignored from the start, as under nohup, stays ignored."""
    signals, before = Signals(doing), {}
    try:
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, signals.came)
    except ValueError:
        pass  # not the main thread: the host program keeps its own handlers
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
