"""Checkpoints that survive: one safetensors file each, a hash inside, no pickle anywhere.

A checkpoint is everything the rest of the run depends on: the method's tensors (weights, twin, queue, prototypes), the
optimizer's, and a JSON state (step, seed, configuration, data fingerprint). It is written to a temporary name, synced,
then renamed; the last two are kept. A file that is cut, altered or unreadable is refused in words and the previous one
taken.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

KEEP = 2


def digest(tensors: dict[str, Tensor], state: str) -> str:
    """A hash of every name, dtype, shape, value and of the state."""
    total = hashlib.blake2b(state.encode(), digest_size=32)
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part."""
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        _dropped(part)
        raise
    sync_folder(path.parent)


def _dropped(part: Path) -> None:
    """A full disk must not stay full because of us; one that has turned read-only keeps what it has."""
    with suppress(OSError):
        part.unlink(missing_ok=True)


def save(folder: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> Path:
    """Write the checkpoint of `state["step"]` and drop all but the last two. OSError when the disk does not take it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{state['step']:09d}.safetensors"
    part = path.with_name(path.name + ".part")
    text = json.dumps(state, sort_keys=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(tensors, part, metadata={"state": text, "hash": digest(tensors, text)})
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
        sync_folder(folder)
    except (OSError, SafetensorError) as problem:
        _dropped(part)
        if isinstance(problem, OSError):
            raise
        raise OSError(str(problem)) from problem  # safetensors has a name of its own for a full disk
    for old in found(folder)[:-KEEP]:
        old.unlink()
    return path


def found(folder: Path) -> list[Path]:
    """The checkpoints of a folder by step, oldest first; the clock plays no part."""
    return sorted(path for path in folder.glob("step-*.safetensors") if re.fullmatch(r"step-\d{9,}", path.stem))


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the state of one checkpoint; ValueError says what is wrong with it."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        text = metadata["state"]
        if metadata["hash"] != digest(tensors, text):
            raise ValueError("its content does not match the hash inside it")
        state: dict[str, Any] = json.loads(text)
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as problem:
        raise ValueError(f"it cannot be read ({type(problem).__name__}: {problem})") from problem
    return tensors, state


def newest(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any], list[str]]:
    """The newest good checkpoint, and a sentence for each one that was refused. FileNotFoundError if none is good."""
    refused = []
    for path in reversed(found(folder)):
        try:
            tensors, state = load(path)
        except ValueError as problem:
            refused.append(f"Checkpoint {path.name} was refused: {problem}. Taking the one before it.")
            continue
        return tensors, state, refused
    raise FileNotFoundError(" ".join([*refused, f"There is no usable checkpoint in {folder}."]))
