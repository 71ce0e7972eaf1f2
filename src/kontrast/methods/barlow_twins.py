"""Barlow Twins: the same feature must agree between two views, different features must not be correlated.

positives   two random views of one picture, drawn by two different recipes
encoder     any, trained through a wide MLP projector that is thrown away afterwards
negatives   none: decorrelating the dimensions keeps them from being all the same
similarity  correlation of a dimension with a dimension, over the batch
loss        barlow_twins: the cross-correlation matrix of the two views must be the identity

Zbontar, Jing, Misra, LeCun, Deny: Barlow Twins, ICML 2021, arXiv:2103.03230; code: facebookresearch/barlowtwins.
The correlation is that of the joined batch, and its gradient is exact for any number of processes. The official code
loses a factor 1 / processes there; the rate of its biases was tuned with 16 of them, which `bias_rate` makes good.
Left out: the running statistics of the last, affine-free BatchNorm, which nothing reads.
"""

# Shapes: V views, B pictures, H encoder width, D projector width.

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kontrast import losses
from kontrast.encoders import heads
from kontrast.methods.method import Batch, Embeddings, Group, Outcome, Progress, groups


@dataclass(frozen=True, kw_only=True)
class Config:
    """Barlow Twins' own numbers; `--set NAME=VALUE` changes any of them."""

    width: int = 8192  # D; paper, section 2.2
    hidden: int = 8192  # paper, section 2.2
    layers: int = 3  # paper, section 2.2
    off_diagonal_weight: float = 0.0051  # code; the paper rounds to 0.005
    bias_rate: float = 0.0015  # rate of biases over that of weights: code's 0.0048 / 0.2, over its 16 processes


class BarlowTwins(nn.Module):
    """The paper's algorithm 1. The projector's last, affine-free norm is part of the loss."""

    def __init__(self, encoder: nn.Module, width: int, config: Config = Config(), *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = heads.mlp([width, *[config.hidden] * (config.layers - 1), config.width], seed=seed)

    def embed(self, batch: Batch) -> Embeddings:
        """Each view by itself, so that BatchNorm never sees two views at once (official code)."""
        features = [self.encoder(view) for view in batch.views]
        views_VBD = torch.stack([self.projector(feature_BH) for feature_BH in features])
        return Embeddings.of(batch, features[0], views=views_VBD)

    def compare(self, z: Embeddings) -> Outcome:
        """The first view against each other one; mean over those."""
        weight, views_VBD = self.config.off_diagonal_weight, z["views"]
        first_BD, *others = views_VBD
        each = [losses.barlow_twins(first_BD, other_BD, off_diagonal_weight=weight, rows=z.rows) for other_BD in others]
        _, B, D = views_VBD.shape
        guessing = losses.chance("barlow_twins", batch=B, width=D, off_diagonal_weight=weight)
        pair = (first_BD.detach(), others[0].detach())
        return Outcome(torch.stack(each).mean(), guessing, z, pair, parts(*pair))

    def after_step(self, outcome: Outcome, progress: Progress) -> None:
        """Barlow Twins remembers nothing."""

    def parameter_groups(self) -> list[Group]:
        """Weights decay and adapt; biases and BatchNorm do neither, at their own rate (official code)."""
        weights, biases = groups(self)
        return [weights, Group(biases.parameters, decay=False, adapt=False, scale=self.config.bias_rate)]


@torch.no_grad()
def parts(first_BD: Tensor, second_BD: Tensor) -> dict[str, Tensor]:
    """For the watch, the two parts per dimension: on_diagonal = mean (C_ii - 1)^2, off_diagonal = sum C_ij^2 / D.

    Guessing has on_diagonal 1 + 1 / (B - 1) and off_diagonal (D - 1) / (B - 1).
    """
    B, D = first_BD.shape
    first_BD, second_BD = ((x - x.mean(0)) / (x.std(0, correction=0) + 1e-5) for x in (first_BD, second_BD))
    diagonal_D = (first_BD * second_BD).mean(0)
    if B < D:
        square = ((first_BD @ first_BD.T) * (second_BD @ second_BD.T)).sum() / B**2
    else:
        square = (first_BD.T @ second_BD / B).square().sum()
    return {"on_diagonal": (diagonal_D - 1).square().mean(), "off_diagonal": (square - diagonal_D.square().sum()) / D}
