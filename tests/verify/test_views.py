"""The check of views is red where views depend on their batch."""

import numpy as np

from kontrast.modalities.images import batches
from kontrast.verify import views


def reds(findings):
    return {finding.what for finding in findings if not finding.passed}


def test_views_do_not_depend_on_how_they_are_made(monkeypatch):
    assert not reds(views.check())
    real = batches.views

    def by_worker(pictures, recipe, keys, **words):  # drawn by place in the batch instead of by name
        return real(pictures, recipe, type(keys)(keys.seed, keys.epoch, np.arange(len(keys.ids_B))), **words)

    monkeypatch.setattr(batches, "views", by_worker)
    assert any("processes" in what for what in reds(views.check())) and any("batches" in w for w in reds(views.check()))
