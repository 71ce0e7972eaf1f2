"""The run folder: one run, one folder, one writer.

    config.yaml  log.jsonl  environment.json  summary.json  report.html  checkpoints/  model/
    method.py    the text of a method from outside, for the reader: it is never run from here

`config.yaml` is complete: `kontrast train --config` repeats the run bit by bit. Weight files hold no date or path;
versions live in `environment.json`.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shlex import quote
from typing import Any

import yaml

from kontrast import files, strict_json
from kontrast.errors import Failed, Unfit

GO_ON = "kontrast train --resume"

_locks: set[int] = set()  # open lock files; a fork lets go of them, or it would hold them for a trainer that was killed


class Folder:
    """A run folder that this process has locked."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock  # the lock lives as long as this file is open
        self.complaints = 0

    @classmethod
    def create(cls, path: Path, go_on: str = GO_ON) -> Folder:
        """A new folder; an existing one is never written into. go_on: the command that goes on with one."""
        refuse_taken(path, go_on)
        try:
            path.mkdir(parents=True, exist_ok=True)
            (path / "checkpoints").mkdir(exist_ok=True)
        except OSError as problem:
            raise Unfit(f"--out {path} cannot be written: {problem.strerror}.") from None
        return cls(path, _locked(path, "--out"))

    @classmethod
    def open(cls, path: Path) -> Folder:
        """An existing run folder, to go on with it."""
        if not (path / "config.yaml").is_file():
            raise Unfit(f"--resume {path}: there is no run in this folder (no config.yaml).")
        return cls(path, _locked(path, "--resume"))

    def config(self) -> dict[str, Any]:
        """The configuration as written at the start."""
        return self.read_config(self.path)

    @staticmethod
    def read_config(path: Path) -> dict[str, Any]:
        """The same of any run folder."""
        read: dict[str, Any] = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
        return read

    def write_yaml(self, name: str, content: Mapping[str, Any]) -> None:
        self._whole(name, yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True))

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        self._whole(name, strict_json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def write_text(self, name: str, content: str) -> None:
        self._whole(name, content)

    def _whole(self, name: str, text: str) -> None:
        try:
            files.write(self.path / name, text)
        except OSError as problem:
            raise Failed(f"{self.path / name} cannot be written: {problem.strerror}.") from None

    def log(self, row: Mapping[str, Any]) -> None:
        """Append one line; a full disk costs the line, not the run."""
        try:
            with open(self.path / "log.jsonl", "a", opener=_own) as file:
                file.write(strict_json.dumps(row) + "\n")
        except OSError:
            self.complaints += 1

    def rows(self) -> list[dict[str, Any]]:
        """The log so far; a line that is no row, such as one cut by a kill, is left out."""
        path = self.path / "log.jsonl"
        rows = [_row(line) for line in path.read_bytes().split(b"\n")] if path.exists() else []
        return [row for row in rows if row is not None]

    def cut_log(self, step: int) -> int:
        """Forget what was logged after a step: the resumed run will say it again. Returns how many lines were none."""
        path, rows = self.path / "log.jsonl", self.rows()
        lines = sum(bool(line.strip()) for line in path.read_bytes().split(b"\n")) if path.exists() else 0
        self._whole("log.jsonl", "".join(strict_json.dumps(row) + "\n" for row in rows if row["step"] <= step))
        return lines - len(rows)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock in _locks:  # else this is a fork, which has let go
            _locks.remove(self._lock)
            os.close(self._lock)


def refuse_taken(path: Path, go_on: str = GO_ON) -> None:
    """Unfit where a new run cannot lie at `path`: something is there, or it cannot be written. Nothing is made."""
    if os.path.lexists(path) and (not path.is_dir() or any(_content(path))):
        free = next(name for n in range(2, 10_000) if not (name := path.with_name(f"{path.name}-{n}")).exists())
        raise Unfit(
            f"--out {path} exists already. Go on with it: {go_on} {quote(str(path))}. "
            f"Start beside it: --out {quote(str(free))}."
        )
    above = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not above.is_dir():
        raise Unfit(f"--out {path} cannot be written: {above} is a file.")
    if not os.access(above, os.W_OK | os.X_OK):
        why = "Read-only file system" if os.statvfs(above).f_flag & os.ST_RDONLY else "Permission denied"
        raise Unfit(f"--out {path} cannot be written: {why}.")


LEFT: tuple[str, ...] = (".lock", "environment.json", ".config.part.yaml", ".environment.part.json", "config.yaml.part")
LEFT += ("environment.json.part",)  # as parts were called


def _content(path: Path) -> Iterator[Path]:
    """What is in a folder beside the traces of a run that was killed before it could write its configuration."""
    for inner in path.iterdir():
        empty = inner.name == "checkpoints" and inner.is_dir() and not any(inner.iterdir())
        if not empty and inner.name not in LEFT:
            yield inner


def _row(line: bytes) -> dict[str, Any] | None:
    """A line of the log; None where it is not one."""
    try:
        row: dict[str, Any] = json.loads(line)
        return row if isinstance(row["step"], int | float) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _own(path: str, flags: int) -> int:
    """Open a file that is the folder's own: a link in its place is refused, for it would write into its target."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def _locked(path: Path, flag: str) -> int:
    try:
        lock = _own(str(path / ".lock"), os.O_RDWR | os.O_CREAT)
    except OSError as problem:
        if (path / ".lock").is_symlink():
            raise Unfit(f"{flag} {path}: its .lock is a link; a run's own lock is a file. Remove the link.") from None
        raise Unfit(f"{flag} {path} cannot be written: {problem.strerror}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise Unfit(f"{path} is in use by another run. Wait for it, or choose another --out.") from None
    _locks.add(lock)
    return lock


def _let_go() -> None:
    for lock in _locks:
        os.close(lock)
    _locks.clear()


os.register_at_fork(after_in_child=_let_go)


def environment() -> dict[str, Any]:
    """What this run stands on: versions, processor, threads."""
    import torch

    packages = {}
    for name in ("kontrast", "torch", "torchvision", "timm", "numpy", "pillow", "safetensors", "scikit-learn"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed as a package"
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "packages": packages,
    }
