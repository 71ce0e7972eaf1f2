"""The check of gradients is red for the faults that other codes have."""

import pytest
import torch
from tests.verify import faults

from kontrast.verify import gradients, multiprocess, tiny_methods


def test_three_processes_are_one_for_every_method_and_every_loss():
    """Uneven rows (9, 8 and 8). `kontrast verify gradients` makes 20 steps, with two processes too."""
    found = multiprocess.ask(3, gradients.measure, tiny_methods.NAMES, 6)
    assert {what for what, _, _ in found} == {*tiny_methods.NAMES, "every loss"}
    for what, dtype, measured in found:
        assert measured < gradients.BOUNDS[getattr(torch, dtype)], (what, dtype)


ACROSS_ROWS = {"simclr", "barlow-twins", "clip", "simcse", "every loss"}  # others compare with what has no gradient


@pytest.mark.parametrize(
    "fault,seen",
    [(faults.gather_without_gradient, ACROSS_ROWS), (faults.mean_over_processes, {*tiny_methods.NAMES})],
    ids=["gather without gradient", "1/W forgotten"],
)
def test_faults_of_other_codes_are_seen(fault, seen):
    found = multiprocess.ask(2, gradients.measure, tiny_methods.NAMES, 1, before=fault)
    assert {what for what, dtype, measured in found if measured > 1e-3} >= seen
