"""What long work says of itself while it runs. Nobody listens by default; `terminal.Progress` does.

    for part in progress.passing(parts, "reading pictures"):
        ...

Work tells what it does and how far it is; whoever listens decides what to show, and how often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Listener = Callable[[str, int, int], None]  # what is done, how many of it are done, of how many (0: not known)

_listener: ContextVar[Listener | None] = ContextVar("kontrast progress", default=None)


def told(doing: str, done: int = 0, total: int = 0) -> None:
    """Say how far some work is."""
    listener = _listener.get()
    if listener is not None:
        listener(doing, done, total)


def passing(items: Iterable[T], doing: str, *, each: int = 1, total: int = 0) -> Iterator[T]:
    """The items, one by one, told as they pass; `each`: how many things one item stands for."""
    total = total or (each * len(items) if isinstance(items, Sized) else 0)
    told(doing, 0, total)
    for number, item in enumerate(items):
        yield item
        told(doing, min((number + 1) * each, total or (number + 1) * each), total)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Inside, this listener hears of all work in this thread."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)
