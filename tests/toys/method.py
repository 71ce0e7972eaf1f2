"""A toy method: two views of a sample must be nearer to each other than to the rest of the batch.

positives   two views of one sample
encoder     any, trained without a head
negatives   the second views of the other samples
similarity  cosine
loss        a softmax over the batch (InfoNCE)
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from kontrast.methods.method import Embeddings, Outcome, groups


@dataclass(frozen=True, kw_only=True)
class Config:
    temperature: float = 0.2  # the toy's own


class Toy(nn.Module):
    kind = "series"

    def __init__(self, encoder, width, config=Config(), *, seed=0):
        super().__init__()
        self.encoder, self.config = encoder, config

    def embed(self, batch):
        features_VBH = torch.stack([self.encoder(view) for view in batch.views])
        return Embeddings.of(batch, features_VBH[0], views=features_VBH)

    def compare(self, embeddings):
        one_BH, other_BH = F.normalize(embeddings["views"], dim=-1)
        table_BB = one_BH @ other_BH.T / self.config.temperature
        loss = F.cross_entropy(table_BB, torch.arange(len(table_BB)))
        guessing = float(torch.tensor(float(len(table_BB))).log())
        return Outcome(loss, guessing, embeddings, (one_BH.detach(), other_BH.detach()))

    def after_step(self, outcome, progress):
        pass

    def parameter_groups(self):
        return groups(self)
