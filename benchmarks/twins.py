"""lightly's twins of six methods, over kontrast's seam: lightly's own losses, heads and momentum code, our views,
encoder, order, optimizer and loop. So a difference in accuracy is a difference of method code and nothing else.

`with instead_of("byol"):` makes `kontrast.train(method="byol")` train the twin. Needs lightly.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightly import loss as peer_losses
from lightly.models import modules as peer
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.utils.scheduler import cosine_schedule
from torch import Tensor, nn
from torch.nn.functional import normalize

from kontrast import methods
from kontrast.encoders.weights import drawn_from
from kontrast.methods.method import Embeddings, Group, Outcome, groups


class Twin(nn.Module):
    """What all six share: two views, each through encoder and head by itself, as lightly's examples do it."""

    def __init__(self, encoder: nn.Module, width: int, config: Any, *, seed: int = 0) -> None:
        super().__init__()
        self.config, self.encoder = config, encoder
        with drawn_from("twin", seed):
            self.build(width)

    def views(self, batch: Any) -> tuple[Tensor, Tensor]:
        features = [self.encoder(view) for view in batch.views]
        return features[0], torch.stack([self.head(feature) for feature in features])

    def embed(self, batch: Any) -> Embeddings:
        feature, views = self.views(batch)
        return Embeddings.of(batch, feature, views=views)

    def compare(self, z: Embeddings) -> Outcome:
        value = self.value(z)
        pair = (z["views"][0].detach(), z["views"][1].detach())
        return Outcome(value.reshape(()), 0.0, z, pair)

    def after_step(self, outcome: Outcome, progress: Any) -> None:
        pass

    def parameter_groups(self) -> list[Group]:
        return groups(self)


class SimCLR(Twin):
    def build(self, width: int) -> None:
        self.head = peer.SimCLRProjectionHead(width, self.config.hidden or width, self.config.width)
        self.loss = peer_losses.NTXentLoss(temperature=self.config.temperature)

    def value(self, z: Embeddings) -> Tensor:
        return self.loss(z["views"][0], z["views"][1])


class BarlowTwins(Twin):
    def build(self, width: int) -> None:
        self.head = peer.BarlowTwinsProjectionHead(width, self.config.hidden, self.config.width)
        self.loss = peer_losses.BarlowTwinsLoss(lambda_param=self.config.off_diagonal_weight)

    def value(self, z: Embeddings) -> Tensor:
        return self.loss(z["views"][0], z["views"][1])


class MoCo(Twin):
    """The bank takes the keys inside the loss, as lightly's does; a linear head for v1, its MoCo head for v2.

    Symmetric as in lightly's CIFAR-10 benchmark: two losses, each of which moves the bank.
    """

    def build(self, width: int) -> None:
        c = self.config
        if c.hidden < 0:
            norms = [nn.BatchNorm1d(c.width)] if c.head_norm else []
            self.head: nn.Module = nn.Sequential(nn.Linear(width, c.width), *norms)
        else:
            self.head = peer.MoCoProjectionHead(width, c.hidden or width, c.width, batch_norm=c.head_norm)
        self.slow = deep_frozen(nn.ModuleList([self.encoder, self.head]))
        self.loss = peer_losses.NTXentLoss(temperature=c.temperature, memory_bank_size=(c.queue, c.width))

    def embed(self, batch: Any) -> Embeddings:
        both = self.config.symmetric
        features = [self.encoder(view) for view in batch.views[: 1 + both]]
        with torch.no_grad():
            keys = [self.key(view, batch.step) for view in (batch.views[::-1] if both else batch.views[1:])]
        query = torch.stack([self.head(feature) for feature in features])
        return Embeddings.of(
            batch, features[0], query=query, views=torch.stack([query[0], keys[0]]), key=torch.stack(keys)
        )

    def key(self, view: Tensor, step: int) -> Tensor:
        shuffled, order = peer_shuffle(view, step)
        return self.slow[1](self.slow[0](shuffled))[order]

    def value(self, z: Embeddings) -> Tensor:
        return torch.stack([self.loss(query, key.detach()) for query, key in zip(z["query"], z["key"])]).mean()

    def after_step(self, outcome: Outcome, progress: Any) -> None:
        for fast, slow in ((self.encoder, self.slow[0]), (self.head, self.slow[1])):
            update_momentum(fast, slow, self.config.momentum)


class BYOL(Twin):
    def build(self, width: int) -> None:
        c = self.config
        self.head = peer.BYOLProjectionHead(width, c.hidden, c.width)
        self.predictor = peer.BYOLPredictionHead(c.width, c.hidden, c.width)
        self.slow = deep_frozen(nn.ModuleList([self.encoder, self.head]))
        self.loss = peer_losses.NegativeCosineSimilarity()

    def embed(self, batch: Any) -> Embeddings:
        feature, views = self.views(batch)
        with torch.no_grad():
            target = torch.stack([self.slow[1](self.slow[0](view)) for view in batch.views])
        prediction = torch.stack([self.predictor(view) for view in views])
        return Embeddings.of(batch, feature, views=views, prediction=prediction, target=target)

    def value(self, z: Embeddings) -> Tensor:
        prediction, target = z["prediction"], z["target"]
        return 0.5 * (self.loss(prediction[0], target[1]) + self.loss(prediction[1], target[0]))

    def after_step(self, outcome: Outcome, progress: Any) -> None:
        keep = cosine_schedule(progress.step - 1, progress.total, self.config.momentum, 1)
        for fast, slow in ((self.encoder, self.slow[0]), (self.head, self.slow[1])):
            update_momentum(fast, slow, keep)


class SwAV(Twin):
    def build(self, width: int) -> None:
        c = self.config
        self.head = peer.SwaVProjectionHead(width, c.hidden, c.width)
        self.prototypes = peer.SwaVPrototypes(c.width, c.prototypes, c.frozen)
        self.loss = peer_losses.SwaVLoss(temperature=c.temperature, sinkhorn_epsilon=c.epsilon)

    def embed(self, batch: Any) -> Embeddings:
        feature, views = self.views(batch)
        self.prototypes.normalize()
        return Embeddings.of(batch, feature, views=normalize(views, dim=-1))

    def value(self, z: Embeddings) -> Tensor:
        scores = [self.prototypes(view, z.step) for view in z["views"]]
        return self.loss(scores[:2], scores[2:])


def deep_frozen(module: nn.Module) -> nn.Module:
    """A slow copy without gradients, by lightly's own function."""
    slow = copy.deepcopy(module)
    deactivate_requires_grad(slow)
    return slow


def peer_shuffle(view: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """The rows in another order, and what puts them back: lightly's `batch_shuffle` with a generator of its own."""
    order = torch.randperm(len(view), generator=torch.Generator().manual_seed(step))
    return view[order], order.argsort()


OF = {"simclr": SimCLR, "moco": MoCo, "moco-v2": MoCo, "swav": SwAV, "byol": BYOL, "barlow-twins": BarlowTwins}


@contextmanager
def instead_of(name: str) -> Iterator[None]:
    """Inside, kontrast trains lightly's twin where it is asked for the method of this name, with the same numbers."""
    own = methods.load
    methods.load = lambda asked: (OF[name], own(asked)[1]) if asked == name else own(asked)
    try:
        yield
    finally:
        methods.load = own
