"""SwAV: give each view a cluster code, all clusters equally used, and predict the code from the other views.

positives   views of one picture: two full crops that give codes, and any number of small ones that only predict
encoder     any, with a projector and, after it, prototypes: unit vectors that the scores are cosines with
negatives   none: codes are shared out evenly among the prototypes (optimal transport), so they cannot be all the same
similarity  cosine with the prototypes
loss        swapped_prediction: cross-entropy of a view's scores against another view's code

Caron, Misra, Mairal, Goyal, Bojanowski, Joulin: Unsupervised Learning of Visual Features by Contrasting Cluster
Assignments, NeurIPS 2020, arXiv:2006.09882; code: facebookresearch/swav.
The transport is solved on the joined batch of all processes, and a queue is one queue for all of them.
Left out: the paper's other two ways to get codes (hard ones, and DeepCluster-v2).
"""

# Shapes: V views, A views that give codes, B pictures, H encoder width, D projector width, K prototypes.

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from kontrast import losses
from kontrast.encoders import heads
from kontrast.methods.method import Batch, Embeddings, Group, Outcome, Progress, encoded
from kontrast.negatives.queue import Ring
from kontrast.similarity import unit

CODES = 2  # A: the full crops; paper, section 3.2


@dataclass(frozen=True, kw_only=True)
class Config:
    """SwAV's own numbers; `--set NAME=VALUE` changes any of them."""

    width: int = 128  # D; paper, section 4.1
    hidden: int = 2048  # code: --hidden_mlp
    prototypes: int = 3000  # K; paper, section 4.1
    temperature: float = 0.1  # paper, appendix A
    epsilon: float = 0.05  # sharpness of the codes; paper, appendix A. 0.03 helps when the loss stays at ln K (README)
    iterations: int = 3  # of Sinkhorn and Knopp; paper, section 3.1
    frozen: int = 313  # steps in which the prototypes stand still: the first epoch at batch 4,096; paper, appendix A
    queue: int = 0  # earlier pictures that share in the transport; code: 3,840 at batch 256, none at 4,096
    queue_from: float = 0.0375  # share of the run after which the queue fills: epoch 15 of 400; code, README


class SwAV(nn.Module):
    """The paper's algorithm 1. Prototypes are put back to unit length after each step, so they have it before each."""

    def __init__(self, encoder: nn.Module, width: int, config: Config = Config(), *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = heads.mlp([width, config.hidden, config.width], bias=True, seed=seed)
        self.prototypes = heads.mlp([config.width, config.prototypes], seed=seed, name="prototypes")
        self.queue = Ring(config.queue, CODES * config.width, seed=seed) if config.queue else None
        self._to_unit_length()

    def embed(self, batch: Batch) -> Embeddings:
        """One forward pass for each size of crop, as BatchNorm sees crops of a size together (official code)."""
        features_VBH = encoded(self.encoder, batch.views)
        views_VBD = self.projector(features_VBH.flatten(0, 1)).unflatten(0, features_VBH.shape[:2])
        return Embeddings.of(batch, features_VBH[0], views=views_VBD)

    def compare(self, z: Embeddings) -> Outcome:
        """Codes of the full crops on one side, scores of every crop on the other."""
        c, views_VBD = self.config, unit(z["views"])
        scores_VBK = self.prototypes(views_VBD)
        codes_ABK = torch.stack([self._codes(scores_VBK[a].detach(), a) for a in range(CODES)])
        loss = losses.swapped_prediction(scores_VBK, codes_ABK, temperature=c.temperature, rows=z.rows)
        guessing = losses.chance("swapped_prediction", prototypes=c.prototypes)
        used = torch.zeros_like(scores_VBK[0, 0]).index_fill_(0, scores_VBK[0].argmax(1), 1.0).sum()
        diagnostics = {"prototypes_in_use": used, "assignment_entropy": torch.special.entr(codes_ABK).sum(-1).mean()}
        pair = (z["views"][0].detach(), z["views"][1].detach())
        return Outcome(loss, guessing, z, pair, diagnostics)

    @torch.no_grad()
    def _codes(self, scores_BK: torch.Tensor, a: int) -> torch.Tensor:
        """Even codes for the batch; a full queue shares in the evenness, scored with today's prototypes."""
        queued_NK = None
        if self.queue is not None and self.queue.full():
            queued_NK = self.prototypes(self.queue.keys_KD.chunk(CODES, dim=1)[a])
        return losses.sinkhorn(
            scores_BK, epsilon=self.config.epsilon, iterations=self.config.iterations, queue_scores_NK=queued_NK
        )

    def after_step(self, outcome: Outcome, progress: Progress) -> None:
        """The prototypes go back to unit length; from `queue_from` on the pictures join the queue."""
        if progress.step > self.config.frozen:
            self._to_unit_length()
        z = outcome.embeddings
        if self.queue is not None and progress.step > self.config.queue_from * progress.total:
            self.queue.push(torch.cat(list(unit(z["views"][:CODES])), dim=1), z.names_B, z.step)

    @torch.no_grad()
    def _to_unit_length(self) -> None:
        for prototype_KD in self.prototypes.parameters():
            prototype_KD.copy_(unit(prototype_KD))

    def parameter_groups(self) -> list[Group]:
        """Everything decays and adapts, biases and norms too (official code); the prototypes stand still at first."""
        rest = [p for module in (self.encoder, self.projector) for p in module.parameters() if p.requires_grad]
        return [Group(rest), Group(list(self.prototypes.parameters()), frozen_until=self.config.frozen)]
