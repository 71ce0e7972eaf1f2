"""How close two embeddings are, as one number per pair; and the temperature that sharpens it.

    cosine              <a, b> / (|a| |b|)      in [-1, 1]
    dot                 <a, b>
    euclidean           -|a - b|                minus the distance, so that closer is larger
    squared_euclidean   -|a - b|^2              on unit vectors: 2 cosine - 2

A *logit* is a similarity divided by the temperature. Every logit used here is one plain product of two prepared vectors
(`prepared`), or minus their distance. So the losses need one engine, the temperature never enters a tile, and its
gradient is an ordinary sum over rows.

Shapes: R rows (any leading axes), D embedding width, E prepared width (D, or D + 2 for squared_euclidean).
"""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Similarity: TypeAlias = Literal["cosine", "dot", "euclidean", "squared_euclidean"]


def wide(x: Tensor) -> Tensor:
    """The tensor in float32, or float64 if it is: what every similarity and loss is computed in."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


class _Unit(torch.autograd.Function):
    """x -> scale * x / |x|. Keeps one copy, works in place; rows of zeros stay zero and get no gradient.

    A row too long for its dtype (|x| = inf) becomes NaN: as a row of zeros it would sit at guessing for ever.
    """

    @staticmethod
    def forward(ctx: Any, x_RD: Tensor, scale: Tensor | float) -> Tensor:
        wide_RD = wide(x_RD)
        norm_R1 = torch.linalg.vector_norm(wide_RD, dim=-1, keepdim=True)
        norm_R1.nan_to_num_(nan=torch.nan, posinf=torch.nan)
        factor_R1 = norm_R1.reciprocal_().nan_to_num_(nan=torch.nan, posinf=0.0) * scale
        unit_RD: Tensor = wide_RD * factor_R1
        ctx.save_for_backward(unit_RD, factor_R1, scale if isinstance(scale, Tensor) else None)
        ctx.scale, ctx.dtype = scale, x_RD.dtype
        return unit_RD

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_RD: Tensor) -> tuple[Tensor | None, Tensor | None]:
        unit_RD, factor_R1, scale = ctx.saved_tensors
        scale = ctx.scale if scale is None else scale
        product_RD = gradient_RD * unit_RD
        along_R1 = product_RD.sum(-1, keepdim=True)
        dscale = along_R1.sum() / scale if ctx.needs_input_grad[1] else None
        if not ctx.needs_input_grad[0]:
            return None, dscale
        dx_RD = torch.mul(unit_RD, along_R1 / -(scale * scale), out=product_RD)
        return dx_RD.add_(gradient_RD).mul_(factor_R1).to(ctx.dtype), dscale


def unit(x_RD: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """The rows at length `scale` (default 1), in float32 or wider. A row of zeros stays zero, with zero gradient."""
    made: Tensor = _Unit.apply(x_RD, scale)
    return made


def checked(similarity: Similarity) -> Similarity:
    """The name itself, or a ValueError with the names there are."""
    if similarity not in get_args(Similarity):
        raise ValueError(f"similarity must be one of {', '.join(get_args(Similarity))}; got {similarity!r}")
    return similarity


def prepared(x_RD: Tensor, scale: Tensor | float, similarity: Similarity, *, key: bool = False) -> Tensor:
    """The rows in coordinates where the logit of a query and a key is their product (euclidean: minus the distance).

    scale: what the similarity is multiplied by through this side. Products multiply the two sides' scales, so give
    1 / temperature to one side or its square root to both; a distance needs 1 / temperature on both sides.
    key: squared_euclidean only: which of the two sides this is. <[2a, -|a|^2, 1], [b, 1, -|b|^2]> = -|a - b|^2.
    """
    if similarity == "cosine":
        return unit(x_RD, scale)
    x_RD = wide(x_RD)
    if similarity != "squared_euclidean":
        return x_RD if isinstance(scale, float) and scale == 1.0 else x_RD * scale
    minus_square_R1 = -(x_RD * x_RD).sum(-1, keepdim=True)
    one_R1 = torch.ones_like(minus_square_R1)
    parts = (x_RD, one_R1, minus_square_R1) if key else (2.0 * x_RD, minus_square_R1, one_R1)
    return torch.cat(parts, dim=-1) * scale


def logit(query_RE: Tensor, key_RE: Tensor, similarity: Similarity) -> Tensor:
    """Logit of each prepared query with the prepared key of the same row, (R,)."""
    if similarity == "euclidean":
        return -distance((query_RE - key_RE).square().sum(-1))
    return (query_RE * key_RE).sum(-1)


def pairwise(first_RD: Tensor, second_RD: Tensor, similarity: Similarity = "cosine") -> Tensor:
    """Similarity of each row of one with the same row of the other, (R,), float32 or wider."""
    checked(similarity)
    if similarity == "cosine":
        return (unit(first_RD) * unit(second_RD)).sum(-1)
    first_RD, second_RD = wide(first_RD), wide(second_RD)
    if similarity == "dot":
        return (first_RD * second_RD).sum(-1)
    square_R = (first_RD - second_RD).square().sum(-1)
    return -distance(square_R) if similarity == "euclidean" else -square_R


def distance(square_R: Tensor) -> Tensor:
    """Square root whose slope at 0 is 0, not infinite: equal points attract nothing."""
    zero_R = square_R <= 0
    return square_R.masked_fill(zero_R, 1.0).sqrt().masked_fill(zero_R, 0.0)


def table(query_QD: Tensor, key_KD: Tensor, similarity: Similarity = "cosine") -> Tensor:
    """Similarity of every query with every key, (Q, K), stored whole. For small sets; the losses never store it."""
    checked(similarity)
    if similarity == "euclidean":
        return pairwise(query_QD[:, None], key_KD[None], "euclidean")
    return prepared(query_QD, 1.0, similarity) @ prepared(key_KD, 1.0, similarity, key=True).mT


class Temperature(nn.Module):
    """The temperature, fixed or learned. `temperature()` gives a float (fixed) or a tensor with gradient (learned).

    Learned as in CLIP (Radford et al. 2021): the parameter is the logarithm of the scale 1 / temperature, starts at
    ln(1 / 0.07), has no weight decay (it is a scalar: `methods.method.groups` puts it there), and `clamp_` is called
    after each optimizer step to keep the scale in [1, largest_scale]; CLIP's limit is 100.
    """

    def __init__(self, start: float = 0.07, *, learned: bool = False, largest_scale: float = 100.0) -> None:
        super().__init__()
        if not start > 0:
            raise ValueError(f"temperature must be > 0, got {start}")
        self.fixed, self.largest_scale = start, largest_scale
        self.log_scale = nn.Parameter(torch.tensor(-math.log(start))) if learned else None

    def forward(self) -> Tensor | float:
        return self.fixed if self.log_scale is None else torch.exp(-wide(self.log_scale))

    @torch.no_grad()
    def clamp_(self) -> None:
        """Keep the learned scale within bounds. After the step, on the logarithm; never inside the loss."""
        if self.log_scale is not None:
            self.log_scale.clamp_(0.0, math.log(self.largest_scale))
