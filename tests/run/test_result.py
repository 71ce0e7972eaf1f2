"""What a run is when it is over."""

import numpy as np
import pytest

from kontrast.run.result import Run


def test_only_a_run_that_ended_embeds():
    class Model:
        def embed(self, data):
            return np.array(data) * 2

    done = Run(None, None, "done", {}, Model())
    assert done.embed([1, 2]).tolist() == [2, 4] and done.exit_code == 0 and done.what() == "done"
    with pytest.raises(ValueError, match="it ended as 'stopped'"):
        Run(None, None, "stopped", {}, exit_code=130).embed([1])
