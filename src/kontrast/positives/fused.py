"""The fast engine: a view is a linear map, ``view = M (A_y X A_x') + c``, computed for many pictures at once.

`A_y`, `A_x` hold crop, antialiased resize, flip and blur; `M`, `c` hold brightness, contrast, saturation, hue, grey.

Shapes: B pictures, C channels, H and W their sides, S the side of the view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

if TYPE_CHECKING:
    from kontrast.positives.images import Drawn, Floats, Pictures, View

GREY = np.array([0.299, 0.587, 0.114])
BLOCK = 64


def render(
    pictures: Pictures,
    view: View,
    drawn: Drawn,
    mean: Sequence[float],
    std: Sequence[float],
    white: float | None,
) -> Tensor:
    from kontrast.positives.images import WHITE

    first = pictures[0]
    n, channels, device = len(pictures), first.shape[0], first.device
    out = torch.empty(n, channels, view.size, view.size, device=device)
    rows = torch.as_tensor
    matrix_B33, of_mean_B33 = (torch.as_tensor(m, dtype=torch.float32, device=device) for m in colours(drawn, channels))
    scale = white or WHITE[first.dtype]
    for start in range(0, n, BLOCK):
        block = slice(start, min(start + BLOCK, n))
        if isinstance(pictures, Tensor):
            y_BCSS = _spatial(pictures[block].float(), view, drawn, block)
        else:
            y_BCSS = torch.cat(
                [
                    _spatial(pictures[i][None].float(), view, drawn, slice(i, i + 1))
                    for i in range(block.start, block.stop)
                ]
            )
        y_BCSS = y_BCSS / scale
        m_BC1 = y_BCSS.mean((2, 3))[:, :, None]
        x = torch.baddbmm(of_mean_B33[block] @ m_BC1, matrix_B33[block], y_BCSS.flatten(2))
        out[block] = x.view_as(y_BCSS).clamp_(0, 1)
    flags = rows(drawn.solarize, device=device)
    if view.solarize:
        out[flags] = torch.where(out[flags] >= 0.5, 1 - out[flags], out[flags])
    if view.rotate or view.shear or view.shift or view.scale != (1.0, 1.0):
        out = turned(out, drawn)
    shift_C11, std_C11 = (torch.tensor(v, device=device)[:, None, None] for v in (mean, std))
    return out.sub_(shift_C11).div_(std_C11)


def _spatial(x_BCHW: Tensor, view: View, drawn: Drawn, block: slice) -> Tensor:
    device = x_BCHW.device
    ay = weights(drawn.top[block], drawn.height[block], None, view, x_BCHW.shape[2], device)
    ax = weights(drawn.left[block], drawn.width[block], drawn.flip[block], view, x_BCHW.shape[3], device)
    if view.blur:
        g = blur(torch.as_tensor(drawn.sigma[block], dtype=torch.float32, device=device), view)
        ay, ax = g @ ay, g @ ax
    return ay[:, None] @ x_BCHW @ ax[:, None].transpose(2, 3)


def weights(start_B, length_B, flip_B, view, n, device):
    to = lambda a: torch.as_tensor(a, dtype=torch.float32, device=device)[:, None, None]
    start, length = to(start_B), to(length_B)
    scale = length / view.size
    o = torch.arange(view.size, device=device)[None, :, None] + 0.5
    if flip_B is not None:
        flip = to(flip_B)
        o = flip * view.size + (1 - 2 * flip) * o
    i = torch.arange(n, device=device)[None, None, :] + 0.5
    d = ((i - start - o * scale) / scale.clamp(min=1)).abs()
    if view.interpolation == "bilinear":
        w = (1 - d).clamp(min=0)
    else:
        w = torch.where(d < 1, (1.5 * d - 2.5) * d * d + 1, torch.where(d < 2, ((-0.5 * d + 2.5) * d - 4) * d + 2, 0.0))
    w = w * ((i > start) & (i < start + length))
    return w / w.sum(-1, keepdim=True)


def blur(sigma_B: Tensor, view: View) -> Tensor:
    """(B, S, S) of the Gaussian blur with reflected borders; the identity where sigma is 0."""
    side, reach = view.size, min(view.kernel // 2, view.size - 1)
    taps_T = torch.arange(-reach, reach + 1, device=sigma_B.device)
    k_BT = torch.exp(-0.5 * (taps_T / sigma_B.clamp(min=1e-6)[:, None]) ** 2)
    k_BT = k_BT / k_BT.sum(1, keepdim=True)
    j_ST = (torch.arange(side, device=sigma_B.device)[:, None] + taps_T).abs()
    j_ST = side - 1 - (side - 1 - j_ST).abs()
    out = torch.zeros(len(sigma_B), side, side, device=sigma_B.device)
    return out.scatter_add_(2, j_ST.expand(len(sigma_B), -1, -1), k_BT[:, None].expand(-1, side, -1))


def colours(drawn: Drawn, channels: int) -> tuple[Floats, Floats]:
    """M and N of ``out = M x + N mean(x)``, (B, C, C): the operations in their drawn order, without clamps."""
    n = len(drawn.hue)
    eye = np.broadcast_to(np.eye(channels), (n, channels, channels))
    rgb = channels == 3
    grey_CC = np.tile(GREY, (3, 1)) if rgb else np.full((channels, channels), 1 / channels)
    r = drawn.saturation[:, None, None]
    own = np.stack([eye * drawn.brightness[:, None, None], eye * drawn.contrast[:, None, None]], 1)
    if rgb:
        own = np.concatenate([own, (r * eye + (1 - r) * grey_CC)[:, None], hues(drawn.hue)[:, None]], 1)
    matrix, of_mean = eye, np.zeros_like(eye)
    for slot in range(4):
        op = drawn.order[:, slot]
        if not rgb:
            op = np.where(op < 2, op, 0)
        chosen = own[np.arange(n), op]
        if not rgb:
            chosen = np.where((drawn.order[:, slot] < 2)[:, None, None], chosen, eye)
        pull = np.where(op == 1, 1 - drawn.contrast, 0.0)[:, None, None] * (drawn.order[:, slot] == 1)[:, None, None]
        of_mean = chosen @ of_mean + pull * (grey_CC @ (matrix + of_mean))
        matrix = chosen @ matrix
    if rgb:
        grey = drawn.grey[:, None, None]
        matrix, of_mean = np.where(grey, grey_CC @ matrix, matrix), np.where(grey, grey_CC @ of_mean, of_mean)
    return matrix, of_mean


def hues(hue_B: Floats) -> Floats:
    """(B, 3, 3): a turn of the chroma plane of YIQ by `hue` of a full turn."""
    yiq = np.array([GREY, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    angle = -2 * np.pi * hue_B
    turn = np.zeros((len(hue_B), 3, 3))
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 1, 2], turn[:, 2, 1] = -np.sin(angle), np.sin(angle)
    return np.linalg.inv(yiq) @ turn @ yiq


def turned(x_BCSS: Tensor, drawn: Drawn) -> Tensor:
    """Rotation, scale, shear and shift by bilinear sampling, black outside."""
    a = np.radians(drawn.angle)
    sx, sy = np.tan(np.radians(drawn.shear)).T
    rot = np.stack([np.stack([np.cos(a), -np.sin(a)], 1), np.stack([np.sin(a), np.cos(a)], 1)], 1)
    shear = np.stack([np.stack([np.ones_like(a), sx], 1), np.stack([sy, np.ones_like(a)], 1)], 1)
    inverse = np.linalg.inv(drawn.scale[:, None, None] * rot @ shear)
    offset = -inverse @ (2 * drawn.shift[:, :, None])
    theta = torch.as_tensor(np.concatenate([inverse, offset], 2), dtype=torch.float32, device=x_BCSS.device)
    grid = affine_grid(theta, list(x_BCSS.shape), align_corners=False)
    return grid_sample(x_BCSS, grid, align_corners=False)
