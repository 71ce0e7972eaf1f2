"""What the losses have in common at their two ends: what comes in is checked, the rows are reduced.

Shapes, types and plain numbers are always checked. What stands in a tensor is read on the CPU alone, where that is
free: reading it would stall a GPU. There a bad temperature makes the loss NaN and a place that is none an index error.
Rows are never read: NaN or infinite rows give a loss that is not finite, so that no run goes on with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar

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


COLDEST, HOTTEST = 1e-15, 1e15  # temperatures whose square float32 still holds
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def scale_of(temperature: Tensor | float) -> Tensor | float:
    """1 / temperature; a tensor keeps its gradient."""
    if not isinstance(temperature, Tensor):
        _check_temperature(temperature)
        return 1.0 / temperature
    if temperature.numel() != 1 or temperature.dtype == torch.bool or temperature.is_complex():
        what = f"{temperature.dtype} {tuple(temperature.shape)}"
        raise ValueError(f"temperature must be one number, got a tensor of {what}")
    temperature = temperature.reshape(())
    if temperature.dtype not in (torch.float32, torch.float64):
        temperature = temperature.float()
    if temperature.device.type == "cpu":
        _check_temperature(float(temperature.detach()))
    else:
        fine = (temperature >= COLDEST) & (temperature <= HOTTEST)
        temperature = temperature.where(fine, torch.nan)
    return temperature.reciprocal()


def _check_temperature(temperature: float) -> None:
    if not COLDEST <= temperature <= HOTTEST:
        raise ValueError(f"temperature must be > 0, between {COLDEST:g} and {HOTTEST:g}, got {temperature}")


def positive(**named: float) -> None:
    """All are numbers above 0, and finite."""
    for name, x in named.items():
        if not 0 < x < math.inf:
            raise ValueError(f"{name} must be > 0 and finite, got {x}")


def reduced(loss_R: Tensor, rows_in_all: int, reduction: Reduction) -> Tensor:
    """ "mean": the sum over our rows divided by the rows of all processes, so that shares add up. "none": as it is."""
    if reduction == "none":
        return loss_R
    if reduction != "mean":
        raise ValueError(f'reduction must be "mean" or "none", got {reduction!r}')
    return loss_R.mean() if loss_R.numel() == rows_in_all else loss_R.sum() / rows_in_all


def floats(name: str, x: Any, axes: str, *, least: int = 1) -> Tensor:
    """A float tensor with these axes ("(V, B, D)"), none of them empty; `least` is the least of the first."""
    shape = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != axes.count(",") + 1:
        raise ValueError(f"{name} must be a float tensor {axes}, got {shape}")
    if len(x) < least or not all(x.shape[1:]):
        raise ValueError(f"{name} {axes} must not be empty, got {shape}")
    return x


def matrices(*, rows_too: bool = False, least: int = 1, **named: Tensor) -> None:
    """All are float (rows, width) of one width, and of one number of rows if `rows_too`; none is empty."""
    (first, wanted), *_ = named.items()
    for name, x in named.items():
        floats(name, x, "(rows, width)", least=least)
        if x.shape[1] != wanted.shape[1] or (rows_too and len(x) != len(wanted)):
            same = "shape" if rows_too else "width"
            raise ValueError(f"{name} must have the {same} of {first}, {tuple(wanted.shape)}, got {tuple(x.shape)}")


def integers(rows: int, **named: Tensor | None) -> list[Tensor | None]:
    """All as int64: they are (rows,) integers, or None."""
    for name, x in named.items():
        if x is not None and (not isinstance(x, Tensor) or x.shape != (rows,) or x.dtype not in INTEGERS):
            what = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"{name} must be ({rows},) integers, one per row, got {what}")
    return [None if x is None else x.long() for x in named.values()]


def places(positive_Q: Tensor, keys: int) -> Tensor:
    """The columns themselves: each is that of a key. On a GPU the indexing itself refuses one that is not."""
    if positive_Q.device.type == "cpu" and len(positive_Q):
        least, most = int(positive_Q.min()), int(positive_Q.max())
        if least < 0 or most >= keys:
            raise ValueError(f"positive_Q must be columns of the {keys} keys, 0 to {keys - 1}, got {least} to {most}")
    return positive_Q.masked_fill(positive_Q < 0, keys)


def ours(rows: slice | None, of: int) -> tuple[slice, int, bool]:
    """The rows that are ours as start:stop, how many they are, and whether they are all rows."""
    if rows is not None and not isinstance(rows, slice):
        raise ValueError(f"rows must be a slice among the {of} rows, got {rows!r}")
    start, stop, step = (slice(None) if rows is None else rows).indices(of)
    if step != 1 or stop <= start:
        raise ValueError(f"rows must be a slice of neighbours among the {of} rows, with at least one, got {rows}")
    return slice(start, stop), stop - start, stop - start == of


def arange(like: Tensor, n: int) -> Tensor:
    return torch.arange(n, device=like.device)
