"""SimCLR: two heavy views of each picture must find each other among all other views of the batch.

positives   two (or more) random views of one picture
encoder     any, trained through an MLP projector that is thrown away afterwards
negatives   the other views in the batch
similarity  cosine
loss        nt_xent: a softmax over all other rows, the positive included (decoupled: left out)

Chen, Kornblith, Norouzi, Hinton: A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020,
arXiv:2002.05709; v2's deeper head: arXiv:2006.10029.
Left out: v2's fine-tuning from inside the head, its memory bank, and distillation.
"""

# Shapes: V views, B pictures, H encoder width, D projector width.

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from kontrast import losses
from kontrast.encoders import heads
from kontrast.methods.method import Batch, Embeddings, Group, Outcome, Progress, encoded, groups


@dataclass(frozen=True, kw_only=True)
class Config:
    """SimCLR's own numbers; `--set NAME=VALUE` changes any of them."""

    width: int = 128  # D; paper, section 2.1
    hidden: int = 0  # hidden width of the projector; 0 = the encoder's own, as in the paper
    layers: int = 2  # 2: v1's projector; 3: v2's deeper one (official code's default)
    temperature: float = 0.1  # paper: 0.1 on ImageNet, 0.5 on CIFAR-10 (appendix B.9)
    similarity: str = "cosine"  # paper, section 2.1
    decoupled: bool = False  # True: the positive is left out of the denominator (Yeh et al. 2021, arXiv:2110.06848)


class SimCLR(nn.Module):
    """The paper's algorithm 1 between an encoder and a throw-away projector."""

    def __init__(self, encoder: nn.Module, width: int, config: Config = Config(), *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        hidden = config.hidden or width
        self.projector = heads.mlp([width, *[hidden] * (config.layers - 1), config.width], last_norm="scale", seed=seed)

    def embed(self, batch: Batch) -> Embeddings:
        """All views through one forward pass, so that BatchNorm sees them together (the paper's global BN)."""
        features_VBH = encoded(self.encoder, batch.views)
        views_VBD = self.projector(features_VBH.flatten(0, 1)).unflatten(0, features_VBH.shape[:2])
        return Embeddings.of(batch, features_VBH[0], views=views_VBD)

    def compare(self, z: Embeddings) -> Outcome:
        """Every view against all others of the batch."""
        c, views_VBD = self.config, z["views"]
        loss = losses.nt_xent(
            views_VBD, temperature=c.temperature, similarity=c.similarity, decoupled=c.decoupled,
            groups_B=z.groups_B, rows=z.rows,
        )  # fmt: skip
        guessing = losses.chance("nt_xent", views=len(views_VBD), batch=len(z.ids_B), decoupled=c.decoupled)
        return Outcome(loss, guessing, z, pair=(views_VBD[0].detach(), views_VBD[1].detach()))

    def after_step(self, outcome: Outcome, progress: Progress) -> None:
        """SimCLR remembers nothing."""

    def parameter_groups(self) -> list[Group]:
        """Weights decay and adapt; biases and BatchNorm do neither (official code)."""
        return groups(self)
