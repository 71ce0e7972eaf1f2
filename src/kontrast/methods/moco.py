"""MoCo: each query must find its key, made by a slow copy of the encoder, among a queue of older keys.

positives   two random views of one picture: a query and its key
encoder     any, with a projector; keys come from its twin, a moving average of both (`momentum`)
negatives   the queue: keys of earlier batches, never of the same sample
similarity  cosine
loss        info_nce: a softmax over the own key and the queue

He, Fan, Wu, Xie, Girshick: Momentum Contrast for Unsupervised Visual Representation Learning, CVPR 2020,
arXiv:1911.05722 (v1: linear projector, temperature 0.07); Chen, Fan, Girshick, He: arXiv:2003.04297 (v2: MLP projector,
temperature 0.2, stronger views). The symmetric form is of the authors' CIFAR-10 demo.
BatchNorm in eight groups, shuffled for the keys, stands for the eight GPUs of the papers on any number of processes.
Left out: the memory-bank and end-to-end variants that the paper compares with.
"""

# Shapes: Q query views, A key views, B pictures, H encoder width, D projector width.

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from kontrast import losses
from kontrast.encoders import heads, norm
from kontrast.encoders.twin import Twin
from kontrast.methods.method import Batch, Embeddings, Group, Outcome, Progress
from kontrast.negatives import Queue, in_batch, parsed
from kontrast.negatives.extra import Extra
from kontrast.similarity import Similarity


@dataclass(frozen=True, kw_only=True)
class Config:
    """MoCo's own numbers; `--set NAME=VALUE` changes any of them."""

    width: int = 128  # D; v1, section 3.3
    hidden: int = -1  # v1: -1, a linear projector; v2: 0, an MLP as wide as the encoder; else its hidden width
    head_norm: bool = False  # True: BatchNorm after each of its layers, as in MoCo v3 (arXiv:2104.02057)
    temperature: float = 0.07  # v1, section 3.3; v2: 0.2 (table 1 of v2)
    similarity: Similarity = "cosine"  # v1, section 3.3
    decoupled: bool = False  # True: the own key is left out of the denominator (Yeh et al. 2021, arXiv:2110.06848)
    queue: int = 65536  # K; v1, section 4
    momentum: float = 0.999  # of the twin; v1, section 3.3
    symmetric: bool = False  # True: both views are queries, losses added (authors' CIFAR-10 demo)
    bn_groups: int = 8  # BatchNorm over eighths of the batch, as on eight GPUs; v1, section 3.3
    negatives: str = ""  # what stands beside the queue, such as mixed:64


class MoCo(nn.Module):
    """The paper's algorithm 1. The twin moves after the step: it encodes keys with the weights the paper gives it."""

    no_norm_per_chunk = (  # read by `run.chunking`
        "would put a query and its key into one BatchNorm batch, and MoCo would cheat by it (it shuffles groups for "
        "that reason)"
    )

    def __init__(self, encoder: nn.Module, width: int, config: Config = Config(), *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        widths = [width, *([] if config.hidden < 0 else [config.hidden or width]), config.width]
        last = "scale" if config.head_norm else None
        head = heads.mlp(widths, norm=config.head_norm, last_norm=last, bias=not config.head_norm, seed=seed)
        self.encoder, self.projector = (norm.convert(part, groups=config.bn_groups) for part in (encoder, head))
        self.twin = Twin(nn.Sequential(self.encoder, self.projector))
        requested = parsed(config.negatives)
        requested = requested if requested.queue else requested + Queue(config.queue)
        self.negatives = Extra(requested, config.width, config.similarity, seed=seed)

    def embed(self, batch: Batch) -> Embeddings:
        """Queries and keys, each view by itself. Keys see BatchNorm groups drawn anew: ShuffleBN."""
        both = self.config.symmetric
        features = [self.encoder(view) for v, view in enumerate(batch.views) if both or v != 1]
        roles = {"query": torch.stack([self.projector(feature_BH) for feature_BH in features])}
        keys = []
        for v, view in enumerate(batch.views[:2] if both else batch.views[1:2]):
            keys.append(norm.shuffled(self.twin, view, batch.seed, batch.step, v))
        roles["key"] = torch.stack(keys)
        if batch.others is not None:
            roles["others"] = self.projector(self.encoder(batch.others.views[0]))
        return Embeddings.of(batch, features[0], **roles)

    def compare(self, z: Embeddings) -> Outcome:
        """Every query against its own key and the queue; the mean over queries, the sum over the key views."""
        c, query_QBD, key_ABD, diagnostics = self.config, z["query"], z["key"], self.negatives.diagnostics(z.step)
        pairs = [(q, a) for a in range(len(key_ABD)) for q in range(len(query_QBD)) if q != a or not c.symmetric]
        each, guessing = [], 0.0
        for q, a in pairs:
            more = self.negatives(query_QBD[q], z.names_B, (z.seed, z.step, q, a), drawn=z.others)
            each.append(losses.info_nce(
                query_QBD[q], more.shared_ND, positive_QD=key_ABD[a], temperature=c.temperature,
                similarity=c.similarity, decoupled=c.decoupled, query_ids_Q=z.names_B, key_ids_K=more.names_N,
                own_negatives=more.own, rows=z.rows, diagnostics=diagnostics, **self.negatives.hardness,
            ))  # fmt: skip
            guessing += in_batch.guessing(more.count_B, decoupled=c.decoupled)
        sums = len(key_ABD) / len(pairs)
        pair = (query_QBD[0].detach(), key_ABD[-1])
        return Outcome(torch.stack(each).sum() * sums, guessing * sums, z, pair, diagnostics)

    def after_step(self, outcome: Outcome, progress: Progress) -> None:
        """The twin follows and the keys join the queue, of both views at once and after both losses."""
        z = outcome.embeddings
        self.twin.follow(nn.Sequential(self.encoder, self.projector), self.config.momentum)
        key_ABD = z["key"]
        self.negatives.push(key_ABD.flatten(0, 1), z.names_B.repeat(len(key_ABD)), z.step)

    def parameter_groups(self) -> list[Group]:
        """All weights decay, biases and BatchNorm too (official code)."""
        return [Group([p for p in self.parameters() if p.requires_grad])]
