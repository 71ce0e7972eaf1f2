"""Files that are there whole or not at all, and belong to whoever may read the folder.

What is written goes to a file of its own beside the place, is synced, and then takes the name. So a reader sees the old
content or the new one, a link at the place is replaced and never followed, and the mode is what the umask leaves: what
writes through a private temporary file (safetensors does) would leave 600.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

Content = TypeVar("Content")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """The name to write under, with the ending of `path`; it becomes `path` at the end, and is gone after a failure."""
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    with suppress(FileNotFoundError):
        os.unlink(part)  # of a run that was killed
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    mode = os.fstat(handle).st_mode
    os.close(handle)
    try:
        yield part
        part.chmod(mode)
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as problem:
        with suppress(OSError):  # a full disk must not stay full because of us; one turned read-only keeps what it has
            os.unlink(part)
        if isinstance(problem, SafetensorError):
            raise OSError(str(problem)) from problem  # safetensors has a name of its own for a full disk
        raise
    _sync_folder(path.parent)


def write(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part.

    Half a letter of a file name, which is no text, is written as \\udcXX.
    """
    with whole(path) as part, open(part, "wb") as file:
        file.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """A safetensors file; tensors on the CPU and contiguous. OSError where the disk does not take it."""
    with whole(path) as part:
        save_file(tensors, part, metadata=metadata)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. OSError says why it cannot be opened: safetensors calls every reason "No such
    file"."""
    return _readable(path, lambda: load_file(path))


def read_tensors_and_metadata(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The same, with what is written beside them."""

    def read() -> tuple[dict[str, Tensor], dict[str, str]]:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118

    return _readable(path, read)


def _readable(path: str | Path, read: Callable[[], Content]) -> Content:
    with open(path, "rb"):
        return read()


def _sync_folder(folder: Path) -> None:
    """Make a rename in this folder last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
