"""CLIP's transformers, for pictures and for words, under OpenAI's and open_clip's parameter names.

    block    x <- x + attention(norm(x));  x <- x + mlp(norm(x))                            (pre-norm)
    picture  patches by one convolution, class token in front, positions, norm, blocks, norm, the class token, W
    words    token table, positions, causal blocks, norm, the place of the end-of-text token, W

Radford et al. 2021 (CLIP), arXiv:2103.00020, sections 2.4 and 2.5; initial weights as in open_clip, which loads these
state dicts unchanged.

Shapes: B rows, T tokens, W width, E embedding width, C channels, h x w pixels.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class QuickGELU(nn.Module):
    """x sigmoid(1.702 x): what OpenAI's weights were trained with. Running them with GELU loses accuracy silently."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class Attention(nn.Module):
    """Multi-head self-attention with `nn.MultiheadAttention`'s parameter names."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} must be a multiple of heads {heads}.")
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x_BTW: Tensor, causal: bool) -> Tensor:
        qkv = F.linear(x_BTW, self.in_proj_weight, self.in_proj_bias).unflatten(-1, (3, self.heads, -1))
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(2))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        mixed_BTW: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return mixed_BTW


class Block(nn.Module):
    """Attention, then an MLP of one hidden layer, each on the normed input and added to it."""

    def __init__(self, width: int, heads: int, hidden: int, activation: nn.Module, eps: float) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width, eps)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(width, hidden))
        self.mlp.add_module("gelu", activation)
        self.mlp.add_module("c_proj", nn.Linear(hidden, width))

    def forward(self, x_BTW: Tensor, causal: bool) -> Tensor:
        x_BTW = x_BTW + self.attn(self.ln_1(x_BTW), causal)
        mixed_BTW: Tensor = x_BTW + self.mlp(self.ln_2(x_BTW))
        return mixed_BTW


class Blocks(nn.Module):
    """A stack of blocks; `causal`: a token sees only those before it."""

    def __init__(
        self, width: int, layers: int, heads: int, *, mlp_ratio: float, activation: nn.Module, eps: float, causal: bool
    ) -> None:
        super().__init__()
        self.causal = causal
        make = partial(Block, width, heads, int(width * mlp_ratio), activation, eps)
        self.resblocks = nn.ModuleList(make() for _ in range(layers))

    def forward(self, x_BTW: Tensor) -> Tensor:
        for block in self.resblocks:
            x_BTW = block(x_BTW, self.causal)
        return x_BTW


class ImageTransformer(nn.Module):
    """CLIP's ViT: (B, 3, size, size) -> (B, E).

    pool      "tok": the class token; "avg": the mean of the patches
    norm_late the last norm comes after pooling instead of before it; `norm_early`: a norm before the blocks
    """

    def __init__(
        self, *, size: int, patch: int, width: int, layers: int, heads: int, embed: int,
        mlp_ratio: float, activation: nn.Module, eps: float, pool: str, norm_early: bool, norm_late: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        if pool not in ("tok", "avg"):
            raise ValueError(f'pool must be "tok" or "avg", got {pool!r}.')
        self.pool, self.norm_late = pool, norm_late
        self.conv1 = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        scale = width**-0.5
        self.class_embedding = nn.Parameter(scale * torch.randn(width))
        self.positional_embedding = nn.Parameter(scale * torch.randn((size // patch) ** 2 + 1, width))
        self.ln_pre = nn.LayerNorm(width, eps) if norm_early else nn.Identity()
        self.transformer = Blocks(
            width, layers, heads, mlp_ratio=mlp_ratio, activation=activation, eps=eps, causal=False
        )
        self.ln_post = nn.LayerNorm(width, eps)
        self.proj = nn.Parameter(scale * torch.randn(width, embed))

    def forward(self, pixels_BChw: Tensor) -> Tensor:
        patches_BTW = self.conv1(pixels_BChw).flatten(2).transpose(1, 2)
        class_B1W = self.class_embedding.to(patches_BTW.dtype).expand(patches_BTW.shape[0], 1, -1)
        x_BTW = torch.cat([class_B1W, patches_BTW], dim=1) + self.positional_embedding.to(patches_BTW.dtype)
        x_BTW = self.transformer(self.ln_pre(x_BTW))
        if not self.norm_late:
            x_BTW = self.ln_post(x_BTW)
        pooled_BW = x_BTW[:, 0] if self.pool == "tok" else x_BTW[:, 1:].mean(dim=1)
        if self.norm_late:
            pooled_BW = self.ln_post(pooled_BW)
        embedded_BE: Tensor = pooled_BW @ self.proj
        return embedded_BE


class TextTransformer(nn.Module):
    """CLIP's text tower: ids (B, T) -> (B, E), T at most `context`.

    pool    "argmax": the place of the largest id, CLIP's end of text; "eos": the first `eos` id; "first"; "last"
    causal  a token sees only those before it. Then padding after the end of text changes nothing, and a batch may be
            cut to its longest caption (`cuttable`).
    """

    def __init__(
        self, *, context: int, vocabulary: int, width: int, layers: int, heads: int, embed: int,
        mlp_ratio: float, activation: nn.Module, eps: float, pool: str, causal: bool, eos: int, bias: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        if pool not in ("argmax", "eos", "first", "last"):
            raise ValueError(f'pool must be "argmax", "eos", "first" or "last", got {pool!r}.')
        self.context, self.pool, self.eos = context, pool, eos
        self.cuttable = causal and pool != "last"
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.empty(context, width))
        self.transformer = Blocks(
            width, layers, heads, mlp_ratio=mlp_ratio, activation=activation, eps=eps, causal=causal
        )
        self.ln_final = nn.LayerNorm(width, eps)
        self.text_projection: nn.Linear | nn.Parameter
        if bias:
            self.text_projection = nn.Linear(width, embed)
        else:
            self.text_projection = nn.Parameter(torch.empty(width, embed))
        self._draw(width, layers)

    def _draw(self, width: int, layers: int) -> None:
        """The initial weights of OpenAI's code: everything that is added to the residual stream begins small."""
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        for block in self.transformer.resblocks:
            assert isinstance(block, Block)
            nn.init.normal_(block.attn.in_proj_weight, std=width**-0.5)
            nn.init.normal_(block.attn.out_proj.weight, std=width**-0.5 * (2 * layers) ** -0.5)
            nn.init.normal_(block.mlp.get_submodule("c_fc").get_parameter("weight"), std=(2 * width) ** -0.5)
            nn.init.normal_(
                block.mlp.get_submodule("c_proj").get_parameter("weight"), std=width**-0.5 * (2 * layers) ** -0.5
            )
        if isinstance(self.text_projection, nn.Linear):
            nn.init.normal_(self.text_projection.weight, std=width**-0.5)
            nn.init.zeros_(self.text_projection.bias)
        else:
            nn.init.normal_(self.text_projection, std=width**-0.5)

    def forward(self, ids_BT: Tensor) -> Tensor:
        x_BTW = self.token_embedding(ids_BT) + self.positional_embedding[: ids_BT.shape[1]]
        x_BTW = self.transformer(x_BTW)
        if self.pool in ("first", "last"):
            pooled_BW = x_BTW[:, 0 if self.pool == "first" else -1]
        else:
            place_B = ids_BT.argmax(dim=1) if self.pool == "argmax" else (ids_BT == self.eos).int().argmax(dim=1)
            pooled_BW = x_BTW[torch.arange(x_BTW.shape[0], device=x_BTW.device), place_B]
        pooled_BW = self.ln_final(pooled_BW)
        if isinstance(self.text_projection, nn.Linear):
            projected_BE: Tensor = self.text_projection(pooled_BW)
            return projected_BE
        embedded_BE: Tensor = pooled_BW @ self.text_projection
        return embedded_BE
