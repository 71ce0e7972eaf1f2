"""VICReg: views agree, every feature varies over the batch, and no two features say the same.

positives   two random views of one picture
encoder     any, trained through a wide MLP projector (the expander) that is thrown away afterwards
negatives   none: variance and covariance of the batch keep outputs from being all the same
similarity  squared distance
loss        invariance (distance of the views), variance (a hinge on the deviation of each feature), covariance

Bardes, Ponce, LeCun: VICReg, ICLR 2022, arXiv:2105.04906; code: facebookresearch/vicreg, main_vicreg.py.
Left out: the paper's two encoders that share no weights, and views of two kinds of data.
A method of your own is such a file: kontrast train digits --method examples/vicreg.py
"""

# Shapes: V views, B samples of the joined batch, M of them ours, H encoder width, D projector width.

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kontrast import Settings
from kontrast.encoders import heads
from kontrast.methods.method import Batch, Embeddings, Group, Outcome, Progress, groups
from kontrast.recipes.rules import Scale

EPS = 1e-4  # under the root of the variance; code


@dataclass(frozen=True, kw_only=True)
class Config:
    """VICReg's own numbers; `--set NAME=VALUE` changes any of them."""

    width: int = 8192  # D; paper, section 4.2; code: --mlp 8192-8192-8192
    hidden: int = 8192  # the same
    layers: int = 3  # the same
    invariance: float = 25.0  # lambda; paper, section 4.2; code: --sim-coeff
    variance: float = 25.0  # mu; the same; code: --std-coeff
    covariance: float = 1.0  # nu; the same; code: --cov-coeff


class VICReg(nn.Module):
    """The paper's algorithm 1."""

    kind = "images"

    def __init__(self, encoder: nn.Module, width: int, config: Config = Config(), *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        widths = [width, *[config.hidden] * (config.layers - 1), config.width]
        self.projector = heads.mlp(widths, bias=(True, False), seed=seed)

    def embed(self, batch: Batch) -> Embeddings:
        """Each view by itself, so that BatchNorm never sees two views at once (official code)."""
        features = [self.encoder(view) for view in batch.views]
        return Embeddings.of(batch, features[0], views=torch.stack([self.projector(each) for each in features]))

    def compare(self, z: Embeddings) -> Outcome:
        """The first view against each other one; mean over those. Guessing: the loss of outputs that are all equal."""
        c, views_VBD = self.config, z["views"]
        first_BD, *others = views_VBD
        each = torch.stack([torch.stack(parts(first_BD, other_BD, z.rows)) for other_BD in others])
        invariance, variance, covariance = each.mean(0)
        loss = c.invariance * invariance + c.variance * variance + c.covariance * covariance
        diagnostics = dict(zip(("invariance", "variance", "covariance"), each.detach().mean(0)))
        pair = (first_BD.detach(), others[0].detach())
        return Outcome(loss, c.variance * (1 - EPS**0.5), z, pair, diagnostics)

    def after_step(self, outcome: Outcome, progress: Progress) -> None:
        """VICReg remembers nothing."""

    def parameter_groups(self) -> list[Group]:
        """Weights decay and adapt; biases and BatchNorm do neither (official code)."""
        return groups(self)


def parts(first_BD: Tensor, second_BD: Tensor, rows: slice = slice(None)) -> tuple[Tensor, Tensor, Tensor]:
    """(invariance, variance, covariance) as in the official code; of several processes, this one's share of each.

    The distance is a mean over samples, so our rows are our part of it. Variance and covariance belong to the batch as
    a whole: each process has all of it, and answers for as much of them as of its rows.
    """
    B, D = first_BD.shape
    share = len(first_BD[rows]) / B
    invariance = (first_BD - second_BD)[rows].square().sum() / (B * D)
    variance = covariance = first_BD.new_zeros(())
    for view_BD in (first_BD, second_BD):
        centred_BD = view_BD - view_BD.mean(0)
        variance_D = centred_BD.square().sum(0) / (B - 1)
        variance = variance + torch.relu(1 - (variance_D + EPS).sqrt()).mean() / 2
        covariance_DD = centred_BD.T @ centred_BD / (B - 1)
        covariance = covariance + (covariance_DD.square().sum() - variance_D.square().sum()) / D
    return invariance, variance * share, covariance * share


def imagenet() -> Settings:
    """ResNet-50, 1,000 epochs on ImageNet: 73.2 % linear top-1 (paper, table 1)."""
    return Settings(
        encoder="resnet50",  # paper, section 4.2
        image_size=224,  # paper, appendix C.1
        views="byol",  # paper, appendix C.1
        batch_size=2048,  # paper, section 4.2
        epochs=1000,  # paper, section 4.2
        optimizer="lars:byol",  # paper, section 4.2; the form of LARS is that of the code
        lr=1.6,  # paper, section 4.2: 0.2 x 2048 / 256
        weight_decay=1e-6,  # paper, section 4.2
        warmup=10,  # paper, section 4.2
        schedule="cosine:end=0.001",  # code
        zero_init=True,  # code: zero_init_residual
    )


def rules(scale: Scale) -> dict[str, tuple[int, str]]:
    """What the paper's numbers become in small runs."""
    return {"width": (512, "enough for small nets"), "hidden": (512, "enough for small nets")}


RECIPES = {"imagenet": imagenet}
