"""The spatial half of a view, ``A_y X A_x'``: crop, antialiased resize, flip and blur are linear and separable.

Each row of `A` holds the weights of one output pixel and sums to 1. The filters are Pillow's triangle and bicubic
(a = -0.5), widened when the crop shrinks. Small pictures of one size go through dense products, many at once; large
and mixed ones through torch's own antialiased resize, one by one: dense products grow with the cube of the side.

Work goes in blocks of one fixed length, the last one filled up by repeats: a picture's sums then never depend on how
many neighbours it has, and a block stays in the cache. Large views are blocks of their own.

Shapes: B pictures, C channels, H and W their sides (N: either), S the side of the view, T taps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from kontrast.positives.blur import blur_weights, blurred, is_dense, separable

if TYPE_CHECKING:
    from kontrast.positives.images import Drawn, Flags, Integers, Pictures, View

WHITE = {torch.uint8: 255.0, torch.uint16: 65535.0, torch.float32: 1.0}


def white_of(dtype: torch.dtype, sixteen_bit: int | None = None) -> float:
    """The pixel value that stands for 1; of 16-bit pictures it may be said."""
    return float(sixteen_bit) if dtype == torch.uint16 and sixteen_bit else WHITE[dtype]


def filled_up(pictures: Pictures, drawn: Drawn, size: int) -> tuple[Pictures, Drawn, list[slice]]:
    """Pictures and draws with the last one repeated until the blocks are full, and the blocks."""
    device = pictures[0].device
    pixels, most = (2**16, 64) if device.type == "cpu" else (2**20, 1024)
    length = max(1, min(most, pixels // size**2)) if is_dense(device, size) else 1
    n = len(pictures)
    blocks = [slice(start, start + length) for start in range(0, n, length)]
    if n % length == 0:
        return pictures, drawn, blocks
    rows = np.minimum(np.arange(len(blocks) * length), n - 1)
    filled = pictures[torch.from_numpy(rows)] if isinstance(pictures, Tensor) else [pictures[i] for i in rows]
    return filled, drawn.take(rows), blocks


def resampled(pictures: Pictures, view: View, drawn: Drawn, *, exact: bool) -> Callable[[slice], Tensor]:
    """What makes a block after crop, resize, flip and turn: (length, C, S, S) float32, in the pictures' units.

    Unless `exact`, the blur of small views is in it, and large uint8 pictures come back in whole steps of 1.
    """
    device = pictures[0].device
    is_turned = bool(view.rotate or view.shear or view.shift) or view.scale != (1.0, 1.0)
    height, width = pictures[0].shape[1:]
    dense = isinstance(pictures, Tensor) and is_dense(device, height, width, view.size)
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
    pictures: Pictures, size: int, mean: Sequence[float], std: Sequence[float], *, white: int | None = None
) -> Tensor:
    """The one look of evaluation, (B, C, size, size) float32: shorter side to `size`, centre, normalise.

    The resize is bicubic and antialiased; pictures of that size already keep their pixels. The same as timm's
    evaluation transform with `crop_pct` 1, within 1/255. white: what stands for 1 in 16-bit pictures, if not 65,535.
    """
    if not isinstance(pictures, Tensor):
        return torch.cat([prepare(picture[None], size, mean, std, white=white) for picture in pictures])
    short = min(pictures.shape[2:])
    height, width = (int(size * side / short) for side in pictures.shape[2:])
    pixels = pictures if pictures.dtype == torch.uint8 else pictures.float()  # of uint8 the resize rounds, as Pillow's
    if (height, width) != pictures.shape[2:]:
        pixels = interpolate(pixels, (height, width), mode="bicubic", antialias=True)
    pixels = (pixels.float() / white_of(pictures.dtype, white)).clamp_(0, 1)
    top, left = round((height - size) / 2), round((width - size) / 2)
    shift_C11, scale_C11 = (torch.tensor(v, device=pixels.device)[:, None, None] for v in (mean, std))
    return (pixels[:, :, top : top + size, left : left + size] - shift_C11) / scale_C11
