"""BYOL: predict, from one view, what a slow copy of the network makes of the other. No negatives at all.

positives   two random views of one picture, drawn by two different recipes
encoder     any, with a projector and, on the trained side only, a predictor; the targets come from its twin
negatives   none: the predictor and the slow twin keep it from collapsing
similarity  cosine
loss        byol: 2 - 2 cosine of prediction and target, both directions added

Grill et al.: Bootstrap Your Own Latent, NeurIPS 2020, arXiv:2006.07733; code: deepmind-research/byol.
Left out: the official code's second seed for the twin (no difference, says the code) and its online classifier.
"""

# Shapes: V views, A target views, B pictures, H encoder width, D projector width.

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from kontrast import losses
from kontrast.encoders import heads
from kontrast.encoders.twin import Twin, keep_at
from kontrast.methods.method import Batch, Embeddings, Group, Outcome, Progress, groups
from kontrast.similarity import pairwise

TARGETS = 2  # views that give targets: the full-size ones, when there are small crops too


@dataclass(frozen=True, kw_only=True)
class Config:
    """BYOL's own numbers; `--set NAME=VALUE` changes any of them."""

    width: int = 256  # D; paper, section 3.3
    hidden: int = 4096  # of projector and predictor; paper, section 3.3
    head_norm: bool = False  # True: BatchNorm after the projector's last layer too, as in SimSiam (arXiv:2011.10566)
    momentum: float = 0.996  # of the twin at first, then cosine to 1; paper. Code: 0.99 for 300 epochs, 0.97 for 40


class BYOL(nn.Module):
    """The paper's algorithm 1 and figure 2: online network, target network, predictor."""

    def __init__(self, encoder: nn.Module, width: int, config: Config = Config(), *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        last = "scale" if config.head_norm else None
        widths = [width, config.hidden, config.width]
        self.projector = heads.mlp(widths, bias=(True, False), last_norm=last, seed=seed)
        self.predictor = heads.mlp(
            [config.width, config.hidden, config.width], bias=(True, False), seed=seed, name="predictor"
        )
        self.twin = Twin(nn.Sequential(self.encoder, self.projector))

    def embed(self, batch: Batch) -> Embeddings:
        """Each view by itself, so that BatchNorm never sees two views at once (official code)."""
        features = [self.encoder(view) for view in batch.views]
        projected_VBD = torch.stack([self.projector(feature_BH) for feature_BH in features])
        return Embeddings.of(
            batch,
            features[0],
            prediction=torch.stack([self.predictor(projected_BD) for projected_BD in projected_VBD]),
            target=torch.stack([self.twin(view) for view in batch.views[:TARGETS]]),
            projection=projected_VBD[:2].detach(),
        )

    def compare(self, z: Embeddings) -> Outcome:
        """Every prediction against the targets of the other views; mean over predictions, sum over targets."""
        prediction_VBD, target_ABD = z["prediction"], z["target"]
        pairs = [(v, a) for a in range(len(target_ABD)) for v in range(len(prediction_VBD)) if v != a]
        each = [losses.byol(prediction_VBD[v], target_ABD[a], rows=z.rows) for v, a in pairs]
        loss = torch.stack(each).sum() / (len(prediction_VBD) - 1)
        first_BD, second_BD = z["projection"]
        gain = pairwise(prediction_VBD[0].detach(), target_ABD[1]) - pairwise(first_BD, target_ABD[1])
        guessing = losses.chance("byol", directions=len(target_ABD))
        return Outcome(loss, guessing, z, (first_BD, second_BD), {"predictor_gain": gain.mean()})

    def after_step(self, outcome: Outcome, progress: Progress) -> None:
        """The twin follows, ever more slowly."""
        keep = keep_at(progress.step - 1, progress.total, self.config.momentum)
        self.twin.follow(nn.Sequential(self.encoder, self.projector), keep)

    def parameter_groups(self) -> list[Group]:
        """Weights decay and adapt; biases and BatchNorm do neither (paper, section 3.3)."""
        return groups(self)
