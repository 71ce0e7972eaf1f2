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
from typing import IO, Any

import yaml

from kontrast import strict_json
from kontrast.errors import Failed, Unfit
from kontrast.training import checkpoints


class Folder:
    """A run folder that this process has locked."""

    def __init__(self, path: Path, lock: IO[str]) -> None:
        self.path = path
        self._lock = lock  # the lock lives as long as this file is open
        self.complaints = 0

    @classmethod
    def create(cls, path: Path) -> Folder:
        """A new folder; an existing one is never written into."""
        if path.exists() and (not path.is_dir() or any(_content(path))):
            free = next(name for n in range(2, 10_000) if not (name := path.with_name(f"{path.name}-{n}")).exists())
            raise Unfit(
                f"--out {path} exists already. Go on with it: kontrast train --resume {path}. "
                f"Start beside it: --out {free}."
            )
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
        read: dict[str, Any] = yaml.safe_load((self.path / "config.yaml").read_text())
        return read

    def write_yaml(self, name: str, content: Mapping[str, Any]) -> None:
        self._whole(name, yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True))

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        self._whole(name, strict_json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def write_text(self, name: str, content: str) -> None:
        self._whole(name, content)

    def _whole(self, name: str, text: str) -> None:
        try:
            checkpoints.write_whole(self.path / name, text.encode("utf-8", "backslashreplace"))
        except OSError as problem:
            raise Failed(f"{self.path / name} cannot be written: {problem.strerror}.") from None

    def log(self, row: Mapping[str, Any]) -> None:
        """Append one line; a full disk costs the line, not the run."""
        try:
            with open(self.path / "log.jsonl", "a") as file:
                file.write(strict_json.dumps(row) + "\n")
        except OSError:
            self.complaints += 1

    def rows(self) -> list[dict[str, Any]]:
        """The log so far; a line that was cut by a kill is left out."""
        path = self.path / "log.jsonl"
        rows = []
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return rows

    def cut_log(self, step: int) -> None:
        """Forget what was logged after a step: the resumed run will say it again."""
        kept = [strict_json.dumps(row) for row in self.rows() if row["step"] <= step]
        self._whole("log.jsonl", "".join(line + "\n" for line in kept))

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()


def _content(path: Path) -> Iterator[Path]:
    """What is in a folder beside the traces of a run that was killed before it could write its configuration."""
    for inner in path.iterdir():
        empty = inner.name == "checkpoints" and inner.is_dir() and not any(inner.iterdir())
        if not empty and inner.name not in (".lock", "environment.json", "config.yaml.part", "environment.json.part"):
            yield inner


def _locked(path: Path, flag: str) -> IO[str]:
    try:
        lock = open(path / ".lock", "w")  # noqa: SIM115  (open as long as the run)
    except OSError as problem:
        raise Unfit(f"{flag} {path} cannot be written: {problem.strerror}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise Unfit(f"{path} is in use by another run. Wait for it, or choose another --out.") from None
    return lock


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
