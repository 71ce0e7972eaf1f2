"""A toy source of negatives: `noise:N`, N directions drawn anew in each step."""

import torch
from torch.nn.functional import normalize

from kontrast import keyed
from kontrast.negatives.source import Source


class Noise(Source):
    def __init__(self, count, width):
        super().__init__()
        self.count, self.width = count, width

    def keys(self, rows):
        drawn = torch.randn(self.count, self.width, generator=keyed.generator("noise", *rows.key))
        return normalize(drawn).to(rows.query), torch.full_like(rows.name_B, -1)[:1].expand(self.count)


def source(requested, width, similarity, seed):
    count = requested.words().get("noise", 0)
    return Noise(count, width) if count else None
