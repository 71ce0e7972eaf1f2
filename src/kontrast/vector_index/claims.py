"""Who makes which shard: a file that exists once, renewed while the shard is made and gone when it is.

A claim is taken over when its maker is dead (on this machine) or silent (on another). If two makers hold one claim for
a moment, the shard is made twice: the same bytes, renamed into place by both.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from kontrast.vector_index.layout import PARTS, place

SILENT = 600.0  # seconds without a sign, after which another machine's claim may be taken over


class Claim:
    """One maker's claim on one shard."""

    def __init__(self, folder: Path, number: int) -> None:
        self.path = place(folder, "claims", number)

    def take(self) -> bool:
        """Whether the shard is ours to make now."""
        for _ in range(2):
            try:
                with open(self.path, "x") as file:
                    file.write(f"{socket.gethostname()} {os.getpid()}")
                return True
            except FileExistsError:
                if not self._left():
                    return False
                with suppress(FileNotFoundError):
                    self.path.unlink()
        return False

    def renew(self) -> None:
        """Say that the maker is alive."""
        with suppress(FileNotFoundError):
            os.utime(self.path)

    def release(self) -> None:
        """The shard is made, or given up."""
        with suppress(FileNotFoundError):
            self.path.unlink()

    def _left(self) -> bool:
        """Whether whoever made this claim is gone."""
        try:
            host, _, process = self.path.read_text().partition(" ")
            age = time.time() - self.path.stat().st_mtime
        except FileNotFoundError:
            return True
        if host == socket.gethostname() and process.isdigit():
            return not _alive(int(process))
        return age > (SILENT if host else 1.0)  # a maker that was killed before it wrote its name


def swept(folder: Path) -> None:
    """Remove parts of files that makers on this machine left behind when they were killed."""
    host = socket.gethostname()
    for part in (folder, *(folder / name for name in PARTS)):
        for file in part.glob(f".*.{host}.*.part"):
            process = file.name.split(".")[-2]
            if process.isdigit() and not _alive(int(process)):
                file.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
