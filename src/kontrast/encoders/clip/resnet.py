"""CLIP's ResNet, under OpenAI's and open_clip's parameter names.

What differs from the usual one: a stem of three 3x3 convolutions and an average pool; strides that average before they
skip (anti-aliased, Zhang 2019); attention instead of an average at the end, asked by the mean of the pixels.

Radford et al. 2021 (CLIP), arXiv:2103.00020, section 2.4.
Shapes: B pictures, T places of the last map and one more, W = 32 x the stem's width, E embedding width.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Bottleneck(nn.Module):
    """1x1, 3x3, (average pool), 1x1 to four times the planes, added to the input or to its pooled 1x1 projection."""

    def __init__(self, fan_in: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(fan_in, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or fan_in != 4 * planes:
            skip = (nn.AvgPool2d(stride), nn.Conv2d(fan_in, 4 * planes, 1, bias=False), nn.BatchNorm2d(4 * planes))
            self.downsample = nn.Sequential(OrderedDict(zip(("-1", "0", "1"), skip)))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(self.pool(y)))
        return F.relu(y + self.downsample(x), inplace=True)


class AttentionPool(nn.Module):
    """The mean of the map asks all its places, and itself: (B, W, h, w) -> (B, E)."""

    def __init__(self, side: int, width: int, heads: int, embed: int) -> None:
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.randn(side**2 + 1, width) * width**-0.5)
        self.k_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, embed)
        for linear in (self.q_proj, self.k_proj, self.v_proj, self.c_proj):
            nn.init.normal_(linear.weight, std=width**-0.5)

    def forward(self, map_BWhw: Tensor) -> Tensor:
        x_BTW = map_BWhw.flatten(2).transpose(1, 2)
        x_BTW = torch.cat([x_BTW.mean(dim=1, keepdim=True), x_BTW], dim=1)
        x_BTW = x_BTW + self.positional_embedding.to(x_BTW.dtype)
        asked = (self.q_proj(x_BTW[:, :1]), self.k_proj(x_BTW), self.v_proj(x_BTW))
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in asked)
        pooled = F.scaled_dot_product_attention(q, k, v)
        embedded_BE: Tensor = self.c_proj(pooled.transpose(1, 2).flatten(1))
        return embedded_BE


class ModifiedResNet(nn.Module):
    """(B, 3, size, size) -> (B, E); `size` a multiple of 32. The last norm of each block begins at 0."""

    def __init__(self, size: int, width: int, layers: Sequence[int], heads: int, embed: int) -> None:
        super().__init__()
        half = width // 2
        self.conv1 = nn.Conv2d(3, half, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(half)
        self.conv2 = nn.Conv2d(half, half, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv3 = nn.Conv2d(half, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        planes = [width << stage for stage in range(len(layers))]
        fan_in = [width, *(4 * p for p in planes)]
        for stage, (blocks, p) in enumerate(zip(layers, planes)):
            first = Bottleneck(fan_in[stage], p, stride=1 if stage == 0 else 2)
            rest = (Bottleneck(4 * p, p, stride=1) for _ in range(blocks - 1))
            self.add_module(f"layer{stage + 1}", nn.Sequential(first, *rest))
        self.stages = len(layers)
        self.attnpool = AttentionPool(size // 32, 32 * width, heads, embed)
        for block in self.modules():
            if isinstance(block, Bottleneck):
                nn.init.zeros_(block.bn3.weight)

    def forward(self, pixels_BChw: Tensor) -> Tensor:
        x = pixels_BChw
        for conv, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)):
            x = F.relu(norm(conv(x)), inplace=True)
        x = F.avg_pool2d(x, 2)
        for stage in range(self.stages):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        embedded_BE: Tensor = self.attnpool(x)
        return embedded_BE
