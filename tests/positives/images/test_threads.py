"""Threads change no value."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.positives.images.real import smooth

from kontrast.positives.images import papers, views
from kontrast.positives.images.view import Keys, Mode


@pytest.mark.parametrize("mode", ["fast", "exact"])
@pytest.mark.parametrize("size, image, n", [(32, (32, 32), 130), (224, (300, 350), 4)])
def test_threads_do_not_change_the_values(size: int, image: tuple[int, int], n: int, mode: Mode) -> None:
    recipe, keys, batch = papers.recipe("moco-v2", size, 3), Keys(1, 4, np.arange(n)), smooth(n, *image)
    before = torch.get_num_threads()
    try:
        made = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            made.append(views(batch, recipe, keys, mode=mode))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*made))
