"""Gaussian blur of many views: dense products of small ones together, bands of large ones one by one.

A blur is ``K X K'`` with one banded matrix for both axes, its border mirrored without repeating the edge.

Shapes: B pictures, C channels, S the side of the view, T taps, Q = S C: one row of a picture with its channels last.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kontrast.positives.images.view import Floats, View

Floats32: TypeAlias = npt.NDArray[np.float32]

DENSE = 96  # the longest side for which dense products are the faster way on a CPU
TILE = 32  # outputs of one banded product


def is_dense(device: torch.device, *sides: int) -> bool:
    """Whether pictures of these sides go through dense products, many at once."""
    return device.type != "cpu" or max(sides) <= DENSE


def blurred(x_BCSS: Tensor, view: View, sigma_B: Floats) -> Tensor:
    """Each picture with its own sigma; 0 leaves it alone."""
    if not view.blur:
        return x_BCSS
    if is_dense(x_BCSS.device, view.size):
        blur_BSS = blur_weights(view, sigma_B, x_BCSS.device)
        return separable(x_BCSS, blur_BSS, blur_BSS)
    out_BCSS, as_is_CC, none_C1 = torch.empty_like(x_BCSS), torch.eye(x_BCSS.shape[1]), torch.zeros(x_BCSS.shape[1], 1)
    for x_CSS, sigma, out_CSS in zip(x_BCSS, sigma_B.tolist(), out_BCSS):
        coloured_blur(rows(x_CSS), view, sigma, as_is_CC, none_C1, out_CSS)
    return out_BCSS


def separable(x_BCHW: Tensor, y_BSH: Tensor, x_BSW: Tensor) -> Tensor:
    """``A_y X A_x'`` for each picture and channel. In memory the channels come first, which saves copies of `A_y`."""
    across_BCHS = torch.bmm(x_BCHW.flatten(1, 2), x_BSW.mT).unflatten(1, x_BCHW.shape[1:3])
    out_CBSS = x_BCHW.new_empty(x_BCHW.shape[1], *y_BSH.shape[:2], x_BSW.shape[1])
    for channel, out_BSS in enumerate(out_CBSS):
        torch.bmm(y_BSH, across_BCHS[:, channel], out=out_BSS)
    return out_CBSS.transpose(0, 1)


def blur_taps(view: View, sigma_B: Floats, least: float = 1e-9) -> Floats32:
    """(B, T) Gaussian weights; sigma 0 leaves the middle one alone. T = kernel, or what the picture has room for.

    Weights below `least` of the middle one are left out: products with numbers near the smallest float are slow.
    """
    reach = min(view.kernel, view.size) // 2
    offset_T = np.arange(-reach, reach + 1)
    taps_BT = np.exp(-0.5 * (offset_T / np.maximum(sigma_B, 1e-3)[:, None]) ** 2)
    taps_BT[taps_BT < least] = 0
    shares: Floats32 = (taps_BT / taps_BT.sum(1, keepdims=True)).astype(np.float32)
    return shares


def blur_weights(view: View, sigma_B: Floats, device: torch.device) -> Tensor:
    """(B, S, S) of the blur along one axis."""
    taps_BT = torch.from_numpy(blur_taps(view, sigma_B)).to(device)
    return (taps_BT @ _mirrored(view.size, taps_BT.shape[1], device)).reshape(-1, view.size, view.size)


@lru_cache(maxsize=32)
def _mirrored(size: int, taps: int, device: torch.device) -> Tensor:
    """(T, S S): 1 where tap t of output o falls on input i."""
    place_TS = np.abs(np.arange(taps)[:, None] - taps // 2 + np.arange(size))
    place_TS = size - 1 - np.abs(size - 1 - place_TS)
    return torch.from_numpy(np.eye(size, dtype=np.float32)[place_TS].reshape(taps, -1)).to(device)


def rows(x_CSS: Tensor) -> Tensor:
    """A picture with its channels last, (S, Q); no copy where it lies so in memory."""
    return x_CSS.permute(1, 2, 0).reshape(x_CSS.shape[1], -1)


def planes(x_SQ: Tensor, channels: int) -> Tensor:
    """The picture with its channels first, (C, S S). Copied as three axes, which is five times as fast as two."""
    return x_SQ.view(len(x_SQ), -1, channels).permute(2, 0, 1).contiguous().view(channels, -1)


def coloured_blur(
    x_SQ: Tensor, view: View, sigma: float, colour_CC: Tensor, offset_C1: Tensor, out_CSS: Tensor, least: float = 1e-9
) -> None:
    """One large picture, ``M (K X K') + c``, written to `out`.

    Down the columns all rows are one product, for which the channels go last in memory; across they go first. A copy
    brings them there before the product of the colours: on planes it costs a quarter of what it costs on pixels.
    """
    size, channels = view.size, len(colour_CC)
    blur_SS, reach = _band(view, sigma, least) if sigma else (x_SQ, 0)
    if not reach:
        torch.addmm(offset_C1, colour_CC, planes(x_SQ, channels), out=out_CSS.view(channels, -1))
        return
    parts = [(slice(o, min(o + TILE, size)), slice(max(0, o - reach), o + TILE + reach)) for o in range(0, size, TILE)]
    down_SQ = torch.empty_like(x_SQ)
    for out, at in parts:
        torch.mm(blur_SS[out, at], x_SQ[at], out=down_SQ[out])
    columns_QS = torch.addmm(offset_C1, colour_CC, planes(down_SQ, channels)).view(-1, size)
    across_QS = out_CSS.view(-1, size)
    for out, at in parts:
        torch.mm(columns_QS[:, at], blur_SS[out, at].T, out=across_QS[:, out])


def _band(view: View, sigma: float, least: float) -> tuple[Tensor, int]:
    """The blur along one axis, (S, S), and how far its band reaches. NumPy: so small steps cost torch five times."""
    taps_T = blur_taps(view, np.array([sigma]), least)[0]
    reach = int(np.count_nonzero(taps_T)) // 2
    size, width = view.size, view.size + 2 * reach
    wide_SW = np.zeros((size, width), dtype=np.float32)
    diagonal_ST = np.lib.stride_tricks.as_strided(wide_SW, (size, 2 * reach + 1), (4 * width + 4, 4))
    diagonal_ST[:] = taps_T[len(taps_T) // 2 - reach :][: 2 * reach + 1]
    band_SS = wide_SW[:, reach : reach + size]
    band_SS[:, 1 : reach + 1] += wide_SW[:, :reach][:, ::-1]
    band_SS[:, size - 1 - reach : size - 1] += wide_SW[:, reach + size :][:, ::-1]
    return torch.from_numpy(band_SS), reach
