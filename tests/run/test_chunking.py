"""`--chunk` and `--norm`: refused in words where pieces would not be the whole, else sizes that fit."""

import pytest
import torch

from kontrast.errors import Unfit
from kontrast.recipes.resolve import planned
from kontrast.recipes.rules import Facts
from kontrast.run import chunking
from kontrast.settings import Settings
from kontrast.verify import tiny_methods

FACTS = Facts(100, 8, 1, False, False)


def settings(**asked):
    return planned(Settings(method="simclr", **asked), FACTS).settings


def test_a_norm_that_needs_the_whole_batch_refuses_pieces():
    batch_norm, group_norm = (tiny_methods.method("simclr", norm=norm) for norm in ("batch", "group"))
    with pytest.raises(Unfit, match="BatchNorm needs the whole batch"):
        chunking.checked(batch_norm, settings(chunk="8"))
    chunking.checked(batch_norm, settings(chunk="8", norm="per-chunk"))
    chunking.checked(group_norm, settings(chunk="8", norm="group"))
    chunking.checked(batch_norm, settings())
    with pytest.raises(Unfit, match="there is no --chunk"):
        chunking.checked(batch_norm, settings(norm="per-chunk"))


def test_sizes_are_what_was_asked_or_what_fits():
    method, batch, cpu = tiny_methods.method("simclr", torch.float32, norm="group"), None, torch.device("cpu")
    batch = tiny_methods.batch("simclr", 0, torch.float32)
    assert chunking.sizes(method, batch, settings(norm="group"), cpu) == (0, 0)
    assert chunking.sizes(method, batch, settings(chunk="7", norm="group"), cpu)[0] == 7
    assert chunking.sizes(method, batch, settings(chunk="auto", norm="group"), cpu)[0] == 0, "fifty rows fit"


def test_words():
    assert "whole batch fits" in chunking.told(0, 0) and chunking.told(7, 0).startswith(
        "7 rows at a time; each computed twice"
    )
    assert "the last 3 pieces of a pass are stored" in chunking.told(7, 3)
