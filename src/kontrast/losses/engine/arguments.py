"""What the losses have in common at their two ends: what comes in is checked by its shape, the rows are reduced.

Only shapes and types are checked, never values: reading a value would stall a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Literal, ParamSpec, TypeAlias, TypeVar

import torch
from torch import Tensor

Reduction: TypeAlias = Literal["mean", "none"]
P = ParamSpec("P")
T = TypeVar("T")


def formerly(old: str, new: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Lets a loss take an argument by the name that it used to have."""

    def taking_both(loss: Callable[P, T]) -> Callable[P, T]:
        @wraps(loss)
        def called(*args: P.args, **kwargs: P.kwargs) -> T:
            if old in kwargs:
                kwargs[new] = kwargs.pop(old)
            return loss(*args, **kwargs)

        return called

    return taking_both


def scale_of(temperature: Tensor | float) -> Tensor | float:
    """1 / temperature; a tensor keeps its gradient."""
    if isinstance(temperature, Tensor):
        if temperature.numel() != 1:
            raise ValueError(f"temperature must be one number, got a tensor of shape {tuple(temperature.shape)}")
        return temperature.reshape(()).reciprocal()
    if not temperature > 0:
        raise ValueError(f"temperature must be > 0, got {temperature}")
    return 1.0 / temperature


def reduced(loss_R: Tensor, rows_in_all: int, reduction: Reduction) -> Tensor:
    """ "mean": the sum over our rows divided by the rows of all processes, so that shares add up. "none": as it is."""
    if reduction == "none":
        return loss_R
    if reduction != "mean":
        raise ValueError(f'reduction must be "mean" or "none", got {reduction!r}')
    return loss_R.mean() if loss_R.numel() == rows_in_all else loss_R.sum() / rows_in_all


def matrices(*, rows_too: bool = False, **named: Tensor) -> None:
    """All are float (rows, width) of one width, and of one number of rows if `rows_too`."""
    (first, wanted), *_ = named.items()
    for name, x in named.items():
        if x.ndim != 2 or not x.is_floating_point():
            raise ValueError(f"{name} must be a float tensor (rows, width), got {x.dtype} {tuple(x.shape)}")
        if x.shape[1] != wanted.shape[1] or (rows_too and len(x) != len(wanted)):
            same = "shape" if rows_too else "width"
            raise ValueError(f"{name} must have the {same} of {first}, {tuple(wanted.shape)}, got {tuple(x.shape)}")


def integers(rows: int, **named: Tensor | None) -> None:
    """All are (rows,) integers, or None."""
    for name, x in named.items():
        if x is not None and (x.shape != (rows,) or x.is_floating_point() or x.dtype == torch.bool):
            raise ValueError(f"{name} must be ({rows},) integers, one per row, got {x.dtype} {tuple(x.shape)}")


def ours(rows: slice | None, of: int) -> tuple[slice, int, bool]:
    """The rows that are ours as start:stop, how many they are, and whether they are all rows."""
    start, stop, step = (slice(None) if rows is None else rows).indices(of)
    if step != 1 or stop <= start:
        raise ValueError(f"rows must be a slice of neighbours among the {of} rows, with at least one, got {rows}")
    return slice(start, stop), stop - start, stop - start == of


def arange(like: Tensor, n: int) -> Tensor:
    return torch.arange(n, device=like.device)
