"""The spatial half of a view, ``A_y X A_x'``: crop, antialiased resize, flip and blur are linear and separable.

Each row of `A` holds the weights of one output pixel and sums to 1. The filters are Pillow's triangle and bicubic
(a = -0.5), widened when the crop shrinks. Small pictures of one size go through dense products, many at once; large
and mixed ones through torch's own antialiased resize, one by one: dense products grow with the cube of the side.

Work goes in blocks of a fixed length or whole multiples of it, the last one filled up by repeats: a picture's sums then
never depend on how many neighbours it has, and a block stays in the cache. Large views are blocks of their own.

Shapes: B pictures, C channels, H and W their sides (N: either), S the side of the view, T taps, U kinds of crops.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from kontrast.positives.images.blur import blur_weights, blurred, is_dense, separable
from kontrast.positives.images.view import Drawn, View
from kontrast.preprocessing import Pictures


def is_together(pictures: Pictures, size: int) -> bool:
    """Whether small pictures of one size become views of this size by dense products, many at once."""
    return isinstance(pictures, Tensor) and is_dense(pictures.device, *pictures.shape[2:], size)


def filled_up(pictures: Pictures, drawn: Drawn, size: int) -> tuple[Pictures, Drawn, list[slice]]:
    """Pictures and draws with the last one repeated until the blocks are full, and the blocks.

    Where every operation is shared out over torch's threads, a block is one of the fixed length for each of them.
    """
    device = pictures[0].device
    pixels, most = (2**16, 64) if device.type == "cpu" else (2**20, 1024)
    length = max(1, min(most, pixels // size**2)) if is_dense(device, size) else 1
    n = len(pictures)
    if n % length:
        rows = np.minimum(np.arange(n + -n % length), n - 1)
        pictures = pictures[torch.from_numpy(rows)] if isinstance(pictures, Tensor) else [pictures[i] for i in rows]
        drawn = drawn.take(rows)
    if device.type == "cpu" and is_together(pictures, size):
        length *= torch.get_num_threads()
    full = len(pictures)
    return pictures, drawn, [slice(start, min(start + length, full)) for start in range(0, full, length)]


def resampled(pictures: Pictures, view: View, drawn: Drawn, *, exact: bool) -> Callable[[slice], Tensor]:
    """What makes a block after crop, resize, flip and turn: (block, C, S, S) float32, in the pictures' units.

    Unless `exact`, the blur of small views is in it, and large uint8 pictures come back in whole steps of 1.
    """
    device = pictures[0].device
    is_turned = bool(view.rotate or view.shear or view.shift) or view.scale != (1.0, 1.0)
    height, width = pictures[0].shape[1:]
    together = is_together(pictures, view.size)
    if together:
        up, across = (taps(view.interpolation, view.size, n, device) for n in (height, width))
        rows = 2 * (drawn.height - 1), 2 * (drawn.width - 1) + drawn.flip
        up_B, across_B, top_B, left_B = (torch.from_numpy(v).to(device) for v in (*rows, drawn.top, drawn.left))

    def made(block: slice) -> Tensor:
        if together:
            y_BSH = spread(*up, up_B[block], top_B[block], height)
            x_BSW = spread(*across, across_B[block], left_B[block], width)
            if view.blur and not exact:
                blur_BSS = blur_weights(view, drawn.sigma[block], device)
                y_BSH, x_BSW = blur_BSS @ y_BSH, blur_BSS @ x_BSW
            x_BCSS = separable(torch.as_tensor(pictures[block]).float(), y_BSH, x_BSW)
        else:
            each = range(block.start, block.stop)
            x_BCSS = _joined([_resized(pictures[i], view, drawn, i, exact) for i in each]).float()
            if not exact and is_dense(device, view.size):
                x_BCSS = blurred(x_BCSS, view, drawn.sigma[block])
        return turned(x_BCSS, drawn, block) if is_turned else x_BCSS

    return made


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


@lru_cache(maxsize=8)
def taps(interpolation: str, size: int, n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The weights of `A` that may differ from zero, (U, S, T), and the first input of each T, (U, S, 1).

    For each length of a crop of n pixels at most, in whole pixels, and each flip: row 2 (length - 1) + flip. Inputs
    count from the first one of the crop; those outside it weigh nothing. Tap by tap, because comparing every output
    with every input costs more than the products.
    """
    kind_U11 = torch.arange(2 * n, device=device)[:, None, None]
    length, flip = kind_U11 // 2 + 1, kind_U11 % 2
    reach = 1 if interpolation == "bilinear" else 2
    side = math.ceil(reach * max(1.0, n / size))
    o_S1 = torch.arange(size, device=device)[:, None] + 0.5
    step = length / size
    centre_US1 = (o_S1 + flip * (size - 2 * o_S1)) * step
    first_US1 = (centre_US1 - (side - 0.5)).floor_()
    i_UST = first_US1 + torch.arange(2.0 * side, device=device)
    d_UST = (i_UST + 0.5 - centre_US1).abs_().div_(step.clamp(min=1.0))
    if reach == 1:
        a_UST = (1 - d_UST).clamp_(min=0)
    else:  # Keys' cubic with a = -0.5, in powers of the distances to its ends at 2 and 1
        far_UST, near_UST = (2 - d_UST).clamp_(min=0), (1 - d_UST).clamp_(min=0)
        a_UST = far_UST.square().mul_(far_UST.sub_(1)).mul_(0.5)
        a_UST.addcmul_(near_UST.square(), near_UST.mul_(-2).add_(1))
    a_UST *= (i_UST >= 0) & (i_UST < length)
    return a_UST.div_(a_UST.sum(2, keepdim=True)), first_US1.long()


def spread(a_UST: Tensor, first_US1: Tensor, row_B: Tensor, start_B: Tensor, n: int) -> Tensor:
    """The taps of some pictures as `A`, (B, S, n): of which row, and where the crop begins. T more at both ends."""
    t_T = torch.arange(a_UST.shape[2], device=a_UST.device) + a_UST.shape[2]
    place_BST = (first_US1[row_B] + start_B[:, None, None]) + t_T
    wide_BSN = a_UST.new_zeros(*place_BST.shape[:2], n + 2 * len(t_T))
    return wide_BSN.scatter_(2, place_BST, a_UST[row_B])[:, :, len(t_T) : -len(t_T)]


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
