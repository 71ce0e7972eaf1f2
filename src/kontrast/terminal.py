"""What kontrast says while it works: a bar with the time left on a terminal, plain lines when piped. Always on stderr.

On a terminal something moves at least twice a second, whatever is being done: the name of the work, how far it is and
since when. Piped, a line comes every 30 seconds.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import threading
import time
from contextlib import ExitStack, suppress
from typing import IO, Any, TextIO

from kontrast import progress
from kontrast.errors import shown as escaped

Row = dict[str, float]
LINE_EVERY = 30.0  # seconds, when piped
SILENT = 0.5  # seconds of work before it is shown at all


class Progress:
    """The bar, or a plain line every 30 seconds; sentences between stay readable in either.

    A terminal that was closed, or a pipe that nobody reads any more, costs the words and never the run.
    """

    current: Progress | None = None  # the one that is shown, so that a verb inside uses it too

    def __init__(self) -> None:
        self.began = self.told = self.since = time.monotonic()
        self.first_step = 0.0
        self.bar: Any = None
        self.task: Any = None
        self.doing, self.done, self.total = "", 0, 0
        self._held = ExitStack()
        self._over = threading.Event()
        self._lock = threading.RLock()
        self._speaks = os.environ.get("RANK", "0") == "0" or "WORLD_SIZE" not in os.environ  # of several processes one

    def __enter__(self) -> Progress:
        if Progress.current is not None:
            return Progress.current
        Progress.current = self
        self._held.enter_context(progress.listening(self.hear))
        if sys.stdout.isatty() and sys.stderr.isatty():
            sys.stdout = _Clearing(sys.stdout, self)
        if self._speaks:
            threading.Thread(target=self._keep_alive, name="kontrast-progress", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if Progress.current is not self:
            return
        self._over.set()
        with suppress(OSError):
            self.clear()
        if isinstance(sys.stdout, _Clearing):
            sys.stdout = sys.stdout.inner
        self._held.close()
        Progress.current = None

    def say(self, text: str) -> None:
        """A sentence that stays."""
        if not self._speaks:
            return
        text = escaped(text, keep="\n")
        text = folded(text) if sys.stderr.isatty() else text
        with suppress(OSError):
            if self.bar is not None:
                self.bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
            else:
                print(text, file=sys.stderr, flush=True)

    def hear(self, doing: str, done: int, total: int) -> None:
        """Work tells what it does; the thread shows it."""
        if doing != self.doing or done < self.done:
            self.since = time.monotonic()
        self.doing, self.done, self.total = doing, done, total

    def show(self, row: Row, steps: int) -> None:
        """One log row of a training run."""
        if "loss" in row and self._speaks:
            with suppress(OSError):
                self._show(row, steps)

    def _show(self, row: Row, steps: int) -> None:
        guessing = f" (guessing {row['guessing']:.2f})" if "guessing" in row else ""
        words = (
            f"loss {row['loss']:.3f}{guessing}  "
            f"retrieval {row['retrieval_at_1']:.0%} (chance {row['retrieval_chance']:.1%})"
        )
        self.doing = ""
        if sys.stderr.isatty():
            short = words.replace("  retrieval", " retrieval").replace("guessing ", "guess ")
            self._draw(short, row["step"], steps)
            if row["step"] == steps:  # what is said next stands below
                self.clear(kept=True)
            return
        now = time.monotonic()
        if self.first_step == 0:
            self.began, self.first_step = now, row["step"]
        if now - self.told >= LINE_EVERY or row["step"] in (1, steps):
            self.told = now
            done = row["step"] - self.first_step
            eta = f"  {(now - self.began) / done * (steps - row['step']):.0f} s left" if done else ""
            print(f"step {row['step']:.0f}/{steps}  {words}{eta}", file=sys.stderr, flush=True)

    def clear(self, *, kept: bool = False) -> None:
        """Take the bar away; `kept`: leave its last state on the screen."""
        with self._lock:
            bar, self.bar = self.bar, None
            if bar is not None:
                bar.live.transient = not kept
                bar.stop()

    def _keep_alive(self) -> None:
        """Twice a second: what is being done, and how far."""
        while not self._over.wait(0.5):
            doing, now = self.doing, time.monotonic()
            if not doing or now - self.since < SILENT:
                continue
            with suppress(OSError):
                if sys.stderr.isatty():
                    self._draw(doing, self.done, self.total)
                elif now - max(self.told, self.since) >= LINE_EVERY:
                    self.told = now
                    print(self._line(now), file=sys.stderr, flush=True)

    def _line(self, now: float) -> str:
        of = f"{self.done:,} of {self.total:,}" if self.total else f"{self.done:,}" if self.done else ""
        rate = (now - self.since) / self.done if self.done else 0.0
        left = f", about {rate * (self.total - self.done):.0f} s left" if self.total and self.done else ""
        return f"{self.doing}  {of}{left}".rstrip()

    def _draw(self, words: str, done: float, total: float) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bar

        with self._lock:
            if self.bar is None:
                columns = (
                    SpinnerColumn(),
                    BarColumn(14),
                    MofNCompleteColumn(),
                    TimeElapsedColumn(),
                    TimeRemainingColumn(),
                )
                self.bar = Bar(
                    *columns,
                    TextColumn("{task.description}"),
                    console=Console(stderr=True),
                    transient=True,
                    redirect_stdout=False,
                    redirect_stderr=False,
                )
                self.task = self.bar.add_task("", total=None)
                self.bar.start()
            if done < self.bar.tasks[0].completed:
                self.bar.reset(self.task, total=total or None)
            self.bar.update(self.task, completed=done, total=total or None, description=words)


class _Clearing:
    """Standard output that takes the bar away before anything is written to it."""

    def __init__(self, inner: TextIO, shown: Progress) -> None:
        self.inner, self.shown = inner, shown

    def write(self, text: str) -> int:
        self.shown.doing = ""
        self.shown.clear()
        return self.inner.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def put(text: str, file: IO[str] | None = None) -> None:
    """Lines for the user; whatever came with other people's names, nothing in them moves the terminal."""
    print(escaped(text, keep="\n"), file=file, flush=file is not None)


def folded(text: str, under: int = 9) -> str:
    """Lines longer than the terminal, broken between words; the rest of a line stands under its text, at `under`."""
    width, made = shutil.get_terminal_size().columns, []
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip()) if line[:1] == " " else under
        made += textwrap.wrap(line, width, subsequent_indent=" " * indent) or [line]
    return "\n".join(made)
