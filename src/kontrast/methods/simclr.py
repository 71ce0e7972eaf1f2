"""SimCLR: two heavy views of each picture must find each other among all other views of the batch.

positives   two (or more) views of one picture; with `--same`, of its group
encoder     any, trained through an MLP projector that is thrown away afterwards
negatives   the other views in the batch, and what is added to them (`--negatives`)
similarity  cosine
loss        nt_xent: softmax over all other rows, the positive too (decoupled: not)

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
from kontrast.negatives import in_batch
from kontrast.negatives.extra import Extra
from kontrast.similarity import Similarity


@dataclass(frozen=True, kw_only=True)
class Config:
    """SimCLR's own numbers; `--set NAME=VALUE` changes any of them."""

    width: int = 128  # D; paper, section 2.1
    hidden: int = 0  # hidden width of the projector; 0 = the encoder's own, as in the paper
    layers: int = 2  # 2: v1's projector; 3: v2's deeper one (official code's default)
    temperature: float = 0.1  # paper: 0.1 on ImageNet, 0.5 on CIFAR-10 (appendix B.9)
    similarity: Similarity = "cosine"  # paper, section 2.1
    decoupled: bool = False  # True: the positive is left out of the denominator (Yeh et al. 2021, arXiv:2110.06848)
    margin: float = 1.0  # rows a, b, label: dissimilar ones are pushed so far apart (Hadsell et al., CVPR 2006)
    negatives: str = ""  # what is added to the batch's own, such as queue:4096+mixed:64; the paper adds nothing


class SimCLR(nn.Module):
    """The paper's algorithm 1 between an encoder and a throw-away projector."""

    def __init__(self, encoder: nn.Module, width: int, config: Config = Config(), *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        hidden = config.hidden or width
        self.projector = heads.mlp([width, *[hidden] * (config.layers - 1), config.width], last_norm="scale", seed=seed)
        self.negatives = Extra(config.negatives, config.width, config.similarity, seed=seed)

    def embed(self, batch: Batch) -> Embeddings:
        """All views through one forward pass, so that BatchNorm sees them together (the paper's global BN)."""
        features_VBH = encoded(self.encoder, batch.views)
        roles = {"views": self.projector(features_VBH.flatten(0, 1)).unflatten(0, features_VBH.shape[:2])}
        if batch.others is not None:
            roles["others"] = self.projector(self.encoder(batch.others.views[0]))
        return Embeddings.of(batch, features_VBH[0], **roles)

    def compare(self, z: Embeddings) -> Outcome:
        """Every view against all others of the batch, and what is added."""
        c, n, views_VBD, name_B = self.config, self.negatives, z["views"], z.names_B
        diagnostics = n.diagnostics(z.step)
        V = len(views_VBD)
        batch = (views_VBD.flatten(0, 1), name_B.repeat(V))
        more, guide = n(views_VBD, name_B, (z.seed, z.step), drawn=z.others, batch=batch), n.guide(z.roles.get("guide"))
        loss = losses.nt_xent(
            views_VBD, temperature=c.temperature, similarity=c.similarity, decoupled=c.decoupled, ids_B=name_B,
            rows=z.rows, diagnostics=diagnostics, guide=guide, **more.for_loss, **n.hardness,
        )  # fmt: skip
        count_B = in_batch.others(name_B, V, guide=guide) + more.count_B
        guessing = in_batch.guessing(count_B, positives=V - 1, decoupled=c.decoupled)
        return Outcome(loss, guessing, z, (views_VBD[0].detach(), views_VBD[1].detach()), diagnostics)

    def after_step(self, outcome: Outcome, progress: Progress) -> None:
        """SimCLR remembers nothing, unless it was given a queue: then the second views."""
        z = outcome.embeddings
        self.negatives.push(z["views"][1], z.names_B, z.step)

    def parameter_groups(self) -> list[Group]:
        """Weights decay and adapt; biases and BatchNorm do neither (official code)."""
        return groups(self)
