"""The hub of published weights: asked once, briefly, whether it is there.

Its own client tries each file six times and waits ever longer in between: offline that takes most of a minute.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from urllib.parse import urlsplit
from urllib.request import getproxies

PATIENCE = 5.0  # seconds for a name and a connection


@contextmanager
def within_reach() -> Iterator[None]:
    """Inside, the hub is asked as always if it answers; if not, its cache alone, so that a miss is told at once."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not answers(getproxies().get("https", constants.ENDPOINT))
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def answers(address: str) -> bool:
    """Whether something listens at http(s)://HOST[:PORT]."""
    place, found = urlsplit(address), list[bool]()

    def knock() -> None:
        try:
            port = place.port or (80 if place.scheme == "http" else 443)
            socket.create_connection((place.hostname or "", port), timeout=PATIENCE).close()
        except (OSError, ValueError):
            return
        found.append(True)

    thread = Thread(target=knock, daemon=True)  # looking up a name knows no time limit of its own
    thread.start()
    thread.join(PATIENCE)
    return bool(found)
