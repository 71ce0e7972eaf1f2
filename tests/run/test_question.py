"""What is asked of every way, and how sure the answers are."""

import numpy as np
import torch
from tests.run.test_frozen import pictures  # noqa: F401  (a fixture)

from kontrast import keyed
from kontrast.data.open import open_source
from kontrast.run.question import Question, resampled


def test_ranges_hold_the_mean_of_other_items_as_often_as_they_say():
    """Of 300 draws of 200 items with mean 0.3, about 95 % of the ranges hold it; those for three ways are wider."""
    draw = torch.Generator().manual_seed(0)
    inside = 0
    for _ in range(300):
        value_N = (torch.rand(200, generator=draw) < 0.3).double()
        low, high = resampled(value_N)
        inside += low <= 0.3 <= high
    assert 0.90 < inside / 300 < 0.98
    wide = resampled(value_N, ways=3)
    assert wide[0] < low and wide[1] > high


class Plain:
    """Pixels as features."""

    def embed_source(self, source, ids):
        return torch.stack([image.float().flatten() for image in source.images(ids)])


def test_neighbours_are_asked_by_label_and_by_group(pictures):  # noqa: F811
    source = open_source(str(pictures), labels="folder")
    even, odd = source.part(source.ids[::2]), source.part(source.ids[1::2])
    hits = Question("label", even, odd, source.labels, None, 0.25).hits(Plain())
    assert hits.double().mean() > 0.9
    shuffled = source.labels[keyed.permuted(np.arange(len(source.labels)), len(source.labels), "shuffled")]
    assert Question("label", even, odd, shuffled, None, 0.25).hits(Plain()).double().mean() < 0.5
    assert Question("group", even, None, source.labels, None, 0.25).hits(Plain()).double().mean() > 0.9
    assert Question("group", even, None, shuffled, None, 0.25).hits(Plain()).double().mean() < 0.5
