"""A run whose numbers went bad: where, by which batch, and how to see it again."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Any

import torch

from kontrast import files
from kontrast.errors import Failed
from kontrast.methods.method import Batch
from kontrast.training import nonfinite


def explained(
    problem: Failed, method: Any, batch: Batch, precision: str, device: torch.device, folder: Path | None
) -> Failed:
    """The failure with the first module that is not finite, and the batch kept in the run folder."""
    where = nonfinite.first_not_finite(method, batch, precision, device)
    told = f"{problem} {where[:1].upper()}{where[1:]}." if where else str(problem)
    if folder is None:
        return Failed(told)
    try:
        save_batch(folder, batch)
        batch_is = f"Its batch is in {folder / 'bad-batch.safetensors'}."
    except OSError as unwritten:
        batch_is = f"Its batch could not be written ({unwritten})."
    again = f"kontrast train --resume {quote(str(folder))}"
    return Failed(f"{told} {batch_is} To see the step again, from the last checkpoint: {again}")


def save_batch(folder: Path, batch: Batch) -> None:
    """Keep the batch that broke the run, so that it can be looked at."""
    tensors = {"ids": batch.ids_B}
    for number, view in enumerate(batch.views):
        parts = view.items() if isinstance(view, dict) else [("pixels", view)]
        tensors |= {f"view{number}.{name}": tensor.contiguous() for name, tensor in parts}
    kept = {name: tensor.cpu() for name, tensor in tensors.items()}
    files.write_tensors(folder / "bad-batch.safetensors", kept, {})
