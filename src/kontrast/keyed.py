"""Randomness as a pure function of its key: the same draw for any worker, batch, process count or resume.

A draw is named, not remembered: ``uniform("crop", seed, epoch, ids_B, view)`` always gives the same numbers. No global
generator is read or moved. The integer words are made with 64-bit wrap-around arithmetic, so they are equal on every
machine; floats are computed from them on the CPU.

The mixer is the finaliser of splitmix64 (Steele, Lea, Flood 2014), absorbed key by key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

Key: TypeAlias = "str | int | npt.NDArray[np.integer]"
Words: TypeAlias = npt.NDArray[np.uint64]
Floats: TypeAlias = npt.NDArray[np.float64]
Ids: TypeAlias = npt.NDArray[np.int64]  # of samples: their places in the sorted listing of a source

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def _mix(x: Words) -> Words:
    x = (x ^ (x >> np.uint64(30))) * _FIRST
    x = (x ^ (x >> np.uint64(27))) * _SECOND
    mixed: Words = x ^ (x >> np.uint64(31))
    return mixed


@lru_cache(maxsize=1024)
def _name(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def words(*key: Key) -> Words:
    """64 random bits for each combination of the keys, which broadcast like arrays."""
    state: Words = np.zeros((), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for part in key:
            if isinstance(part, str):
                part = _name(part)
            if isinstance(part, int):
                part = np.array(part & 0xFFFFFFFFFFFFFFFF, dtype=np.uint64)
            state = _mix((state ^ part.astype(np.uint64)) + _GOLDEN)
    return state


def uniform(*key: Key) -> Floats:
    """Uniform floats in [0, 1), 53 random bits each."""
    return (words(*key) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(*key: Key) -> Floats:
    """Standard normal floats (Box and Muller)."""
    radius = np.sqrt(-2.0 * np.log1p(-uniform("radius", *key)))
    return radius * np.cos(2.0 * np.pi * uniform("angle", *key))


def below(high: int, *key: Key) -> npt.NDArray[np.int64]:
    """Integers in [0, high). The bias of the floating-point product is below high / 2**53."""
    return np.floor(uniform(*key) * high).astype(np.int64)


def permuted(position: npt.NDArray[np.integer], n: int, *key: Key) -> npt.NDArray[np.int64]:
    """Where a keyed shuffle of range(n) puts each position, without storing the shuffle.

    A four-round Feistel network over the smallest even-bit domain that holds n, walked again while it lands outside
    (so it is a bijection of range(n)). Any position of any epoch costs the same: resuming is free.
    """
    half = max(1, ((n - 1).bit_length() + 1) // 2)
    mask = np.uint64((1 << half) - 1)
    shift = np.uint64(half)
    value = np.asarray(position).astype(np.uint64)
    outside = np.ones(value.shape, dtype=bool)
    while outside.any():
        left, right = value[outside] >> shift, value[outside] & mask
        for turn in range(4):
            left, right = right, left ^ (words("feistel", *key, turn, right) & mask)
        value[outside] = (left << shift) | right
        outside = value >= np.uint64(n)
    return value.astype(np.int64)


def generator(*key: Key, device: str | torch.device = "cpu") -> torch.Generator:
    """A torch generator of its own for this key, for initial weights and other bulk draws."""
    made = torch.Generator(device=device)
    made.manual_seed(int(words(*key)) & 0x7FFFFFFFFFFFFFFF)
    return made


@contextmanager
def lent(device: torch.device, *key: Key) -> Iterator[None]:
    """Inside, torch's global generators of the CPU and of this device draw from the key; afterwards they are as before.

    For other people's layers (dropout, stochastic depth), which draw from nowhere else.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.default_generator.set_state(generator(*key).get_state())
        if device.type == "cuda":
            torch.cuda.default_generators[device.index or 0].manual_seed(int(words(*key)) & 0x7FFFFFFFFFFFFFFF)
        yield
