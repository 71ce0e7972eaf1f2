"""Worlds of processes, and what goes wrong in them."""

import pytest

from kontrast.verify import gradients, multiprocess


def test_a_torch_error_in_a_world_is_told():
    with pytest.raises(Exception, match="did not work together"):
        multiprocess.ask(2, gradients.measure, ("nobody",), 1)
