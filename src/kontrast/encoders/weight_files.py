"""Weights from other people's files: one rule for all of them.

Safetensors are read as they are, in one file or in several with an index. Pickled ones (.bin, .pt, .pth) are opened by
torch's `weights_only` reader alone, which builds tensors and plain containers and calls nothing; a file that holds more
than that is refused with a sentence that says how to convert it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from kontrast import files
from kontrast.errors import Unfit

USUAL = ("model.safetensors", "pytorch_model.bin")
WRAPPED = (  # where a training checkpoint keeps its weights, from the outside in
    *("state_dict", "model_state_dict", "online_network_state_dict"),
    *("classy_state_dict", "base_model", "model", "trunk"),
)
CONVERT = "in the program that wrote it: safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"


def read(folder: Path, *names: str) -> dict[str, Tensor]:
    """The tensors of the first of these files (by default `USUAL`) that the folder has, whole or in shards.

    Raises Unfit where it has none, or holds what is not only tensors.
    """
    for name in names or USUAL:
        if (folder / name).is_file():
            return tensors(folder / name)
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _shards(index)
    there = [file.name for pattern in ("*.h5", "*.msgpack", "*.onnx", "*.gguf") for file in folder.glob(pattern)]
    other = f" What is there is {there[0]}, in a format that kontrast does not read." if there else ""
    raise Unfit(f"{folder} has no {(names or USUAL)[0]}, nor another file with weights.{other}")


def tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of one file by name. Raises Unfit where it cannot be read, or holds what is not only tensors."""
    if file.suffix == ".safetensors":
        try:
            return files.read_tensors(file)
        except (OSError, SafetensorError) as problem:
            raise Unfit(f"{file} cannot be read: {problem}") from None
    try:
        content: Any = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as problem:
        raise Unfit(f"{file} cannot be read: {problem}") from None
    except Exception as problem:  # what holds more than tensors, or is damaged, ends in any of a dozen errors
        told = " ".join(str(problem).split())[:120]
        raise Unfit(
            f"{file} is pickled and holds more than tensors, so it is not opened ({told}). To convert it, {CONVERT}."
        ) from None
    for key in WRAPPED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise Unfit(f"{file} holds a {type(content).__name__}, and not tensors by name.")
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _shards(index: Path) -> dict[str, Tensor]:
    """The tensors of all files that an index names, each from the file that it names for it."""
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(places.values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise Unfit(f"{index} cannot be read as an index of weights: {problem!r}") from None
    found: dict[str, Tensor] = {}
    for name in names:
        if Path(name).name != name or not (index.parent / name).is_file():
            raise Unfit(f"{index} names {name!r}, and there is no such file beside it.")
        found |= {key: tensor for key, tensor in tensors(index.parent / name).items() if places.get(key) == name}
    if missing := sorted(places.keys() - found.keys()):
        raise Unfit(f"{index}: {missing[0]} is not in the file that it names for it.")
    return found
