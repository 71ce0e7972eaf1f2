"""The spatial half of a view, ``A_y X A_x'``: crop, antialiased resize, flip and blur are linear and separable.

Each row of `A` holds the weights of one output pixel and sums to 1. The filters are Pillow's triangle and bicubic
(a = -0.5), widened when the crop shrinks. Small pictures of one size go through dense products, many at once; large
and mixed ones through torch's own antialiased resize, one by one: dense products grow with the cube of the side.

Work goes in blocks of one fixed length, the last one filled up by repeats: a picture's sums then never depend on how
many neighbours it has, and a block stays in the cache.

Shapes: B pictures, C channels, H and W their sides (N: either), S the side of the view, T taps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

if TYPE_CHECKING:
    from kontrast.positives.images import Drawn, Flags, Floats, Integers, Pictures, View

WHITE = {torch.uint8: 255.0, torch.uint16: 65535.0, torch.float32: 1.0}
DENSE = 96  # the longest side for which dense products are the faster way on a CPU
TILE = 32  # outputs of one banded product of the blur


def filled_up(pictures: Pictures, drawn: Drawn, size: int) -> tuple[Pictures, Drawn, int]:
    """Pictures and draws with the last one repeated until the blocks are full, and the pictures in a block."""
    pixels, most = (2**16, 64) if pictures[0].device.type == "cpu" else (2**20, 1024)
    length = max(1, min(most, pixels // size**2))
    n = len(pictures)
    if n % length == 0:
        return pictures, drawn, length
    rows = np.minimum(np.arange(-(-n // length) * length), n - 1)
    filled = pictures[torch.from_numpy(rows)] if isinstance(pictures, Tensor) else [pictures[i] for i in rows]
    return filled, drawn.take(rows), length


def resampled(pictures: Pictures, view: View, drawn: Drawn, *, exact: bool) -> Callable[[slice], Tensor]:
    """What makes a block after crop, resize, flip and turn: (length, C, S, S) float32, in the pictures' units.

    Unless `exact`, the blur is in it, and large uint8 pictures may come back in whole steps of 1.
    """
    device = pictures[0].device
    is_turned = bool(view.rotate or view.shear or view.shift) or view.scale != (1.0, 1.0)
    height, width = pictures[0].shape[1:]
    dense = isinstance(pictures, Tensor) and _is_dense(device, height, width, view.size)
    if dense:
        up = taps(view, drawn.top, drawn.height, np.zeros_like(drawn.flip), n=height, device=device)
        across = taps(view, drawn.left, drawn.width, drawn.flip, n=width, device=device)

    def made(block: slice) -> Tensor:
        if dense:
            y_BSH, x_BSW = spread(*up, block, height), spread(*across, block, width)
            if view.blur and not exact:
                blur_BSS = blur_weights(view, drawn.sigma[block], device)
                y_BSH, x_BSW = blur_BSS @ y_BSH, blur_BSS @ x_BSW
            x_BCSS = separable(torch.as_tensor(pictures[block]).float(), y_BSH, x_BSW)
        else:
            rows = range(block.start, block.stop)
            x_BCSS = _joined([_resized(pictures[i], view, drawn, i, exact) for i in rows]).float()
            x_BCSS = x_BCSS if exact else blurred(x_BCSS, view, drawn.sigma[block])
        return turned(x_BCSS, drawn, block) if is_turned else x_BCSS

    return made


def _is_dense(device: torch.device, *sides: int) -> bool:
    return device.type != "cpu" or max(sides) <= DENSE


def _resized(picture_CHW: Tensor, view: View, drawn: Drawn, i: int, exact: bool) -> Tensor:
    """One crop, (1, C, S, S). With the channels last, torch's uint8 resize is three times as fast."""
    top, left, height, width = int(drawn.top[i]), int(drawn.left[i]), int(drawn.height[i]), int(drawn.width[i])
    crop = picture_CHW[None, :, top : top + height, left : left + width]
    if exact or crop.dtype != torch.uint8 or crop.device.type != "cpu":
        crop = crop.float()
    else:
        crop = crop.contiguous(memory_format=torch.channels_last)
    small = interpolate(crop, (view.size, view.size), mode=view.interpolation, antialias=True)
    return small.flip(-1) if drawn.flip[i] else small


def separable(x_BCHW: Tensor, y_BSH: Tensor, x_BSW: Tensor) -> Tensor:
    """``A_y X A_x'`` for each picture and channel. In memory the channels come first, which saves copies of `A_y`."""
    across_BCHS = torch.bmm(x_BCHW.flatten(1, 2), x_BSW.mT).unflatten(1, x_BCHW.shape[1:3])
    out_CBSS = x_BCHW.new_empty(x_BCHW.shape[1], *y_BSH.shape[:2], x_BSW.shape[1])
    for channel, out_BSS in enumerate(out_CBSS):
        torch.bmm(y_BSH, across_BCHS[:, channel], out=out_BSS)
    return out_CBSS.transpose(0, 1)


def taps(
    view: View, start_B: Integers, length_B: Integers, flip_B: Flags, *, n: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The non-zero weights of `A` of one axis, and the inputs they weigh: (T, B, S) both; input n for none.

    Tap by tap, because comparing every output with every input costs more than the products. Masks are made by
    arithmetic on whole numbers: comparisons are several times slower.
    """
    start, length, flip = (torch.from_numpy(v).to(device, torch.float32)[:, None] for v in (start_B, length_B, flip_B))
    reach = 1 if view.interpolation == "bilinear" else 2
    side = math.ceil(reach * max(1.0, n / view.size))
    o_S = torch.arange(view.size, device=device) + 0.5
    step = length / view.size
    centre_BS = start + (o_S + flip * (view.size - 2 * o_S)) * step
    first_BS = (centre_BS - (side - 0.5)).floor_()
    t_T11 = torch.arange(2.0 * side, device=device)[:, None, None]
    d_TBS = (t_T11 + (first_BS + 0.5 - centre_BS)).abs_().div_(step.clamp(min=1.0))
    if reach == 1:
        a_TBS = (1 - d_TBS).clamp_(min=0)
    else:  # Keys' cubic with a = -0.5, in powers of the distances to its ends at 2 and 1
        far_TBS, near_TBS = (2 - d_TBS).clamp_(min=0), (1 - d_TBS).clamp_(min=0)
        a_TBS = far_TBS.square().mul_(far_TBS.sub_(1)).mul_(0.5)
        a_TBS.addcmul_(near_TBS.square(), near_TBS.mul_(-2).add_(1))
    i_TBS = t_T11 + first_BS
    inside_TBS = torch.minimum(i_TBS - (start - 1), (start + length) - i_TBS).clamp_(0, 1)
    a_TBS *= inside_TBS
    return i_TBS.sub_(n).mul_(inside_TBS).add_(n).long(), a_TBS.div_(a_TBS.sum(0))


def spread(place_TBS: Tensor, a_TBS: Tensor, block: slice, n: int) -> Tensor:
    """The taps of a block as `A`, (B, S, n)."""
    place_BST, a_BST = place_TBS[:, block].permute(1, 2, 0), a_TBS[:, block].permute(1, 2, 0)
    return a_BST.new_zeros(*a_BST.shape[:2], n + 1).scatter_(2, place_BST, a_BST)[:, :, :n]


def blur_taps(view: View, sigma_B: Floats, device: torch.device) -> Tensor:
    """(B, T) Gaussian weights; sigma 0 leaves the middle one alone. T = kernel, or what the picture has room for."""
    reach = min(view.kernel, view.size) // 2
    offset_T = np.arange(-reach, reach + 1)
    taps_BT = np.exp(-0.5 * (offset_T / np.maximum(sigma_B, 1e-3)[:, None]) ** 2)
    taps_BT[taps_BT < 1e-9] = 0  # products with numbers near the smallest float are a hundred times slower
    shares: Tensor = torch.from_numpy(taps_BT / taps_BT.sum(1, keepdims=True)).to(device, torch.float32)
    return shares


def blur_weights(view: View, sigma_B: Floats, device: torch.device) -> Tensor:
    """(B, S, S) of the blur along one axis; the border is mirrored without repeating the edge."""
    taps_BT = blur_taps(view, sigma_B, device)
    return (taps_BT @ _mirrored(view.size, taps_BT.shape[1], device)).reshape(-1, view.size, view.size)


@lru_cache(maxsize=32)
def _mirrored(size: int, taps: int, device: torch.device) -> Tensor:
    """(T, S S): 1 where tap t of output o falls on input i."""
    place_TS = np.abs(np.arange(taps)[:, None] - taps // 2 + np.arange(size))
    place_TS = size - 1 - np.abs(size - 1 - place_TS)
    return torch.from_numpy(np.eye(size, dtype=np.float32)[place_TS].reshape(taps, -1)).to(device)


def blurred(x_BCSS: Tensor, view: View, sigma_B: Floats) -> Tensor:
    """The blur alone. Large pictures on a CPU: bands of `TILE` outputs, one by one, only where sigma > 0."""
    if not view.blur:
        return x_BCSS
    if _is_dense(x_BCSS.device, view.size):
        blur_BSS = blur_weights(view, sigma_B, x_BCSS.device)
        return separable(x_BCSS, blur_BSS, blur_BSS)
    return _joined([_band_blurred(x, view, s) if s else x for x, s in zip(x_BCSS.split(1), sigma_B.tolist())])


def _band_blurred(x_1CSS: Tensor, view: View, sigma: float) -> Tensor:
    """One blurred picture. Down the columns all rows are one product, for which the channels go last in memory."""
    size, channels = view.size, x_1CSS.shape[1]
    blur_SS, reach = _band(view, sigma)
    parts = [(slice(o, o + TILE), slice(max(0, o - reach), o + TILE + reach)) for o in range(0, size, TILE)]
    rows_SQ = x_1CSS[0].permute(1, 2, 0).reshape(size, -1)
    down_SQ, across_QS = torch.empty_like(rows_SQ), rows_SQ.new_empty(channels * size, size)
    for out, at in parts:
        torch.mm(blur_SS[out, at], rows_SQ[at], out=down_SQ[out])
    columns_QS = (torch.eye(channels) @ down_SQ.view(-1, channels).T).view(-1, size)  # faster than a copy
    for out, at in parts:
        torch.mm(columns_QS[:, at], blur_SS[out, at].T, out=across_QS[:, out])
    return across_QS.view(1, channels, size, size)


def _band(view: View, sigma: float) -> tuple[Tensor, int]:
    """The blur along one axis, (S, S), its border mirrored without repeating the edge; and how far its band reaches."""
    taps_T = blur_taps(view, np.array([sigma]), torch.device("cpu"))[0]
    reach = int(taps_T.count_nonzero()) // 2
    wide_SW = torch.zeros(view.size, view.size + 2 * reach)
    diagonal_ST = wide_SW.as_strided((view.size, 2 * reach + 1), (view.size + 2 * reach + 1, 1))
    diagonal_ST.copy_(taps_T[len(taps_T) // 2 - reach :][: 2 * reach + 1])
    band_SS = wide_SW[:, reach : reach + view.size]
    band_SS[:, 1 : reach + 1] += wide_SW[:, :reach].flip(1)
    band_SS[:, view.size - 1 - reach : view.size - 1] += wide_SW[:, reach + view.size :].flip(1)
    return band_SS, reach


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def turned(x_BCSS: Tensor, drawn: Drawn, block: slice) -> Tensor:
    """Rotation, scale, shear and shift about the centre, in torchvision's convention; bilinear, black outside."""
    turn = np.radians(drawn.angle[block])
    (shear_x, shear_y), (shift_x, shift_y) = np.radians(drawn.shear[block]).T, drawn.shift[block].T
    cos, sin = np.cos(turn - shear_y) / np.cos(shear_y), np.sin(turn - shear_y) / np.cos(shear_y)
    forward_B22 = np.stack([cos, -cos * np.tan(shear_x) - np.sin(turn), sin, -sin * np.tan(shear_x) + np.cos(turn)], 1)
    back_B22 = np.linalg.inv(drawn.scale[block, None, None] * forward_B22.reshape(-1, 2, 2))
    offset_B2 = 2 * np.stack([shift_x, shift_y], 1)  # the sampling square is 2 wide
    theta_B23 = np.concatenate([back_B22, -back_B22 @ offset_B2[:, :, None]], 2)
    theta = torch.from_numpy(theta_B23).to(x_BCSS.device, torch.float32)
    return grid_sample(x_BCSS, affine_grid(theta, list(x_BCSS.shape), align_corners=False), align_corners=False)


def prepare(
    pictures: Pictures, size: int, mean: Sequence[float], std: Sequence[float], *, white: float | None = None
) -> Tensor:
    """The one look of evaluation, (B, C, size, size) float32: shorter side to `size`, centre, normalise.

    The resize is bicubic and antialiased; pictures of that size already keep their pixels. The same as timm's
    evaluation transform with `crop_pct` 1, within 1/255.
    """
    if not isinstance(pictures, Tensor):
        return torch.cat([prepare(picture[None], size, mean, std, white=white) for picture in pictures])
    short = min(pictures.shape[2:])
    height, width = (int(size * side / short) for side in pictures.shape[2:])
    pixels = pictures if pictures.dtype == torch.uint8 else pictures.float()  # of uint8 the resize rounds, as Pillow's
    if (height, width) != pictures.shape[2:]:
        pixels = interpolate(pixels, (height, width), mode="bicubic", antialias=True)
    pixels = (pixels.float() / (white or WHITE[pictures.dtype])).clamp_(0, 1)
    top, left = round((height - size) / 2), round((width - size) / 2)
    shift_C11, scale_C11 = (torch.tensor(v, device=pixels.device)[:, None, None] for v in (mean, std))
    return (pixels[:, :, top : top + size, left : left + size] - shift_C11) / scale_C11
