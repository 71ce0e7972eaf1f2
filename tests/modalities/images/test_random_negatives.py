"""Random draws beside real batches: the same for any number of processes, with their names."""

import torch

from kontrast.data.open import open_source
from kontrast.data.sampler import Sampler
from kontrast.methods import simclr
from kontrast.modalities.images.batches import ImageBatches
from kontrast.modalities.images.random_negatives import WithRandom
from kontrast.positives.images import papers


def batches(count, rank=0, processes=1):
    source = open_source("digits")
    recipe = papers.recipe("affine", 8, 1)
    order = Sampler(source.ids[:200], 32, 3, 12, rank, processes)
    return WithRandom(ImageBatches(source, order, recipe), count)


def test_they_are_other_samples_in_one_view():
    batch = batches(40)(7)
    assert len(batch.others.views) == 1 and batch.others.views[0].shape == (40, 1, 8, 8)
    assert not torch.isin(batch.others.ids_B, batch.ids_B).any()
    assert len(batch.others.ids_B.unique()) == 40


def test_processes_share_them_out():
    whole = batches(41)(5)
    parts = [batches(41, rank, 3)(5) for rank in range(3)]
    assert [len(part.others.ids_B) for part in parts] == [14, 14, 13]
    assert torch.equal(torch.cat([part.others.ids_B for part in parts]), whole.others.ids_B)
    torch.testing.assert_close(torch.cat([part.others.views[0] for part in parts]), whole.others.views[0])


def test_they_are_encoded_with_gradient():
    method = simclr.SimCLR(torch.nn.Flatten(), 64, simclr.Config(width=8, hidden=16))
    z = method.embed(batches(10)(0))
    assert z["others"].shape == (10, 8) and z["others"].requires_grad and z.others[1].shape == (10,)
