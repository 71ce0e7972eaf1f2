"""A capture that is known exactly, and a field that learned it for a few seconds."""

import pytest

from benchmarks import solids
from kontrast.positives.novel_views import captures
from kontrast.positives.novel_views.fit import Fit, Plan

SIDE, PHOTOS = 32, 16


@pytest.fixture(scope="session")
def scene():
    return solids.drawn(0), solids.ring(PHOTOS)


@pytest.fixture(scope="session")
def folder(tmp_path_factory, scene):
    return solids.capture(tmp_path_factory.mktemp("capture") / "solids", *scene, SIDE)


@pytest.fixture(scope="session")
def capture(folder):
    return captures.read(folder)


@pytest.fixture(scope="session")
def fitted(capture):
    fit = Fit(capture, Plan(30, rays=1024, background="random"))
    while fit.step < fit.plan.steps:
        fit.advance()
    return fit
