"""Checkpoints that survive: one safetensors file each, a hash inside, no pickle anywhere.

A checkpoint is everything the rest of the run depends on: the method's tensors (weights, twin, queue, prototypes), the
optimizer's, and a JSON state (step, seed, configuration, data fingerprint). It is written to a temporary name, synced,
then renamed; the last two are kept. A file that is cut, altered or unreadable is refused in words and the previous one
taken.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from kontrast import files

KEEP = 2


def digest(tensors: dict[str, Tensor], state: str) -> str:
    """A hash of every name, dtype, shape, value and of the state."""
    total = hashlib.blake2b(state.encode(), digest_size=32)
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def save(folder: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> Path:
    """Write the checkpoint of `state["step"]` and drop all but the last two. OSError when the disk does not take it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = named(folder, state["step"])
    if path is None:
        raise ValueError(f"state: a step from 0 on was expected, not {state['step']!r}.")
    text = json.dumps(state, sort_keys=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    files.write_tensors(path, tensors, {"state": text, "hash": digest(tensors, text)})
    for old in (*found(folder)[:-KEEP], *folder.glob(".step-*.part.safetensors")):
        old.unlink()
    return path


def named(folder: Path, step: Any) -> Path | None:
    """Where the checkpoint of a step lies; None for what is no step."""
    whole = isinstance(step, int) and not isinstance(step, bool) and step >= 0
    return folder / f"step-{step:09d}.safetensors" if whole else None


def found(folder: Path) -> list[Path]:
    """The checkpoints of a folder by step, oldest first; the clock plays no part."""
    return sorted(path for path in folder.glob("step-*.safetensors") if re.fullmatch(r"step-\d{9,}", path.stem))


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the state of one checkpoint; ValueError says what is wrong with it."""
    try:
        tensors, metadata = files.read_tensors_and_metadata(path)
        text = metadata["state"]
        if metadata["hash"] != digest(tensors, text):
            raise ValueError("its content does not match the hash inside it")
        state: dict[str, Any] = json.loads(text)
    except OSError as problem:
        raise ValueError(f"it cannot be read ({problem.strerror or problem})") from problem
    except (SafetensorError, KeyError, json.JSONDecodeError) as problem:
        raise ValueError(f"it cannot be read ({type(problem).__name__}: {problem})") from problem
    if not isinstance(state, dict) or path != named(path.parent, state.get("step")):
        raise ValueError("it is not of the step that it is named after")
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
