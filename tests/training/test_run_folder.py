"""The folder of a run, where it cannot be written."""

import pytest

from kontrast import train
from kontrast.errors import Unfit


def test_a_folder_that_cannot_be_written_is_told():
    with pytest.raises(Unfit, match="cannot be written"):
        train("digits", out="/proc/sys/kernel/run", say=lambda text: None)
