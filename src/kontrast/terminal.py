"""What a run says while it goes: a bar with the time left on a terminal, plain lines when piped. Always on stderr."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from typing import Any

Row = dict[str, float]


class Progress:
    """The bar, or a plain line every 30 seconds; sentences between stay readable in either."""

    def __init__(self) -> None:
        self.began = self.told = time.monotonic()
        self.first_step = 0.0
        self.bar: Any = None
        self.task: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def say(self, text: str) -> None:
        from kontrast.distributed.processes import first

        if first():
            text = folded(text) if sys.stderr.isatty() else text
            if self.bar is not None:
                self.bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
            else:
                print(text, file=sys.stderr, flush=True)

    def show(self, row: Row, steps: int) -> None:
        """One log row."""
        if "loss" not in row:
            return
        words = (
            f"loss {row['loss']:.3f} (guessing {row['guessing']:.2f})  "
            f"retrieval {row['retrieval_at_1']:.0%} (chance {row['retrieval_chance']:.1%})"
        )
        if sys.stderr.isatty():
            self._on_terminal(row, steps, words)
            return
        now = time.monotonic()
        if self.first_step == 0:
            self.began, self.first_step = now, row["step"]
        if now - self.told >= 30 or row["step"] in (1, steps):
            self.told = now
            done = row["step"] - self.first_step
            eta = f"  {(now - self.began) / done * (steps - row['step']):.0f} s left" if done else ""
            print(f"step {row['step']:.0f}/{steps}  {words}{eta}", file=sys.stderr, flush=True)

    def _on_terminal(self, row: Row, steps: int, words: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        if self.bar is None:
            self.bar = Bar(
                BarColumn(14),
                TextColumn("{task.completed:.0f}/{task.total}"),
                TimeRemainingColumn(),
                TextColumn("{task.description}"),
                console=Console(stderr=True),
            )
            self.task = self.bar.add_task("", total=steps)
            self.bar.start()
        short = words.replace("  retrieval", " retrieval").replace("guessing ", "guess ")
        self.bar.update(self.task, completed=row["step"], description=short)
        if row["step"] == steps:  # what is said next stands below
            self.bar.stop()
            self.bar = None


def folded(text: str, under: int = 9) -> str:
    """Lines longer than the terminal, broken between words; the rest of a line stands under its text, at `under`."""
    width, made = shutil.get_terminal_size().columns, []
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip()) if line[:1] == " " else under
        made += textwrap.wrap(line, width, subsequent_indent=" " * indent) or [line]
    return "\n".join(made)
