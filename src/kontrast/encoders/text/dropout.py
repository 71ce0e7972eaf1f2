"""Dropout whose mask is a function of names, not of a generator's history.

A row carries one random word, its key; from the key, the layer call and the element's place follow all of its masks. So
a text gets the same masks in any batch, chunk, process or padding, after a resume, and when a chunk is replayed.

Two elements share one 32-bit word, 16 bits each. The mixer is lowbias32 (Wellons 2018), twice, with half a key each.

Shapes: N rows, T places of a row, X the last axis.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kontrast import keyed

_AXIS = 10  # bits of a place for the last axis (in pairs: 2,048 elements); 11 for the one before it


def row_keys(seed: int, step: int, ids_B: Tensor, view: int = 0) -> Tensor:
    """One key for each sample and view of a step, int64 (B,): pass it to an encoder as tokens["dropout"]."""
    words_B = keyed.words("dropout", seed, step, view, ids_B.cpu().numpy())
    return torch.from_numpy(words_B.view("int64")).to(ids_B.device)


def dropout(x: Tensor, key_N: Tensor, call: int, rate: float, *, place_N: Tensor | None = None) -> Tensor:
    """Zero each element with probability `rate` and divide the others by 1 - rate.

    x         (N, X), (N, T, X) or (N, S, T, X); X and T at most 2,048
    key_N     int64, the key of each row
    call      which layer call this is; every call of a forward pass needs its own number
    place_N   where each row stands in its text, when rows of x are tokens
    """
    if rate == 0:
        return x
    limit = round(rate * 65536)
    bits = _bits(key_N, call, x.shape[1:], place_N)
    kept = (bits >= limit - 32768)[..., : x.shape[-1]]
    return x * (kept * (65536 / (65536 - limit))).to(x.dtype)


def _bits(key_N: Tensor, call: int, axes: torch.Size, place_N: Tensor | None) -> Tensor:
    """16 random bits per element as int16, the last axis rounded up to even."""
    state = torch.arange((axes[-1] + 1) // 2, dtype=torch.int32, device=key_N.device)
    for shift, length in zip((_AXIS, 2 * _AXIS + 1), reversed(axes[:-1])):
        place = torch.arange(length, dtype=torch.int32, device=key_N.device) << shift
        state = place.view(-1, *[1] * state.ndim) + state
    key_N = key_N + _odd(call)
    low, high = (key_N & 0xFFFFFFFF).int(), (key_N >> 32).int()
    if place_N is not None:
        low = low + (place_N.int() << _AXIS)
    column = (-1, *[1] * state.ndim)
    return _mixed(_mixed(state + low.view(column)).bitwise_xor_(high.view(column))).view(torch.int16)


def _odd(call: int) -> int:
    return int(keyed.words("layer call", call).view("int64")) | 1


def _mixed(x: Tensor) -> Tensor:
    """lowbias32, in place: int32 products wrap around; an arithmetic shift is made logical by a mask."""
    x ^= (x >> 16) & 0xFFFF
    x *= 0x7FEB352D
    x ^= (x >> 15) & 0x1FFFF
    x *= -2073254261  # 0x846ca68b as int32
    x ^= (x >> 16) & 0xFFFF
    return x
