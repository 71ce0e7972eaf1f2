"""Gaussian blur of many views: dense products of small ones together, bands of large ones one by one.

A blur is ``K X K'`` with one banded matrix for both axes, its border mirrored without repeating the edge.

Shapes: B pictures, C channels, S the side of the view, T taps, Q = S C: one row of a picture with its channels last.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from kontrast.positives.images import Floats, View

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
    out_BCSS, as_is_CC = torch.empty_like(x_BCSS), torch.eye(x_BCSS.shape[1])
    for x_CSS, sigma, out_CSS in zip(x_BCSS, sigma_B.tolist(), out_BCSS):
        coloured_blur(rows(x_CSS), view, sigma, as_is_CC, out_CSS)
    return out_BCSS


def separable(x_BCHW: Tensor, y_BSH: Tensor, x_BSW: Tensor) -> Tensor:
    """``A_y X A_x'`` for each picture and channel. In memory the channels come first, which saves copies of `A_y`."""
    across_BCHS = torch.bmm(x_BCHW.flatten(1, 2), x_BSW.mT).unflatten(1, x_BCHW.shape[1:3])
    out_CBSS = x_BCHW.new_empty(x_BCHW.shape[1], *y_BSH.shape[:2], x_BSW.shape[1])
    for channel, out_BSS in enumerate(out_CBSS):
        torch.bmm(y_BSH, across_BCHS[:, channel], out=out_BSS)
    return out_CBSS.transpose(0, 1)


def blur_taps(view: View, sigma_B: Floats, device: torch.device) -> Tensor:
    """(B, T) Gaussian weights; sigma 0 leaves the middle one alone. T = kernel, or what the picture has room for."""
    reach = min(view.kernel, view.size) // 2
    offset_T = np.arange(-reach, reach + 1)
    taps_BT = np.exp(-0.5 * (offset_T / np.maximum(sigma_B, 1e-3)[:, None]) ** 2)
    taps_BT[taps_BT < 1e-9] = 0  # products with numbers near the smallest float are a hundred times slower
    shares: Tensor = torch.from_numpy(taps_BT / taps_BT.sum(1, keepdims=True)).to(device, torch.float32)
    return shares


def blur_weights(view: View, sigma_B: Floats, device: torch.device) -> Tensor:
    """(B, S, S) of the blur along one axis."""
    taps_BT = blur_taps(view, sigma_B, device)
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


def coloured_blur(x_SQ: Tensor, view: View, sigma: float, colour_CC: Tensor, out_CSS: Tensor) -> None:
    """One large picture, ``K X K'`` with each pixel multiplied by a matrix, written to `out`.

    Down the columns all rows are one product, for which the channels go last in memory; across they go first. The
    product of the colours, needed anyway, brings them there.
    """
    size, channels = view.size, len(colour_CC)
    if not sigma:
        torch.mm(colour_CC, x_SQ.view(-1, channels).T, out=out_CSS.view(channels, -1))
        return
    blur_SS, reach = _band(view, sigma)
    parts = [(slice(o, o + TILE), slice(max(0, o - reach), o + TILE + reach)) for o in range(0, size, TILE)]
    down_SQ = torch.empty_like(x_SQ)
    for out, at in parts:
        torch.mm(blur_SS[out, at], x_SQ[at], out=down_SQ[out])
    columns_QS = (colour_CC @ down_SQ.view(-1, channels).T).view(-1, size)
    across_QS = out_CSS.view(-1, size)
    for out, at in parts:
        torch.mm(columns_QS[:, at], blur_SS[out, at].T, out=across_QS[:, out])


def _band(view: View, sigma: float) -> tuple[Tensor, int]:
    """The blur along one axis, (S, S), and how far its band reaches."""
    taps_T = blur_taps(view, np.array([sigma]), torch.device("cpu"))[0]
    reach = int(taps_T.count_nonzero()) // 2
    wide_SW = torch.zeros(view.size, view.size + 2 * reach)
    diagonal_ST = wide_SW.as_strided((view.size, 2 * reach + 1), (view.size + 2 * reach + 1, 1))
    diagonal_ST.copy_(taps_T[len(taps_T) // 2 - reach :][: 2 * reach + 1])
    band_SS = wide_SW[:, reach : reach + view.size]
    band_SS[:, 1 : reach + 1] += wide_SW[:, :reach].flip(1)
    band_SS[:, view.size - 1 - reach : view.size - 1] += wide_SW[:, reach + view.size :].flip(1)
    return band_SS, reach
