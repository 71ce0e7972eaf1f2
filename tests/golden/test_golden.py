"""Every method goes the way it went when golden.json was captured: a constant that changed anywhere is seen here.

Other tests say what is right; this one says what moved. A method that was meant to change is captured anew, with
`python tests/golden/capture.py` and a line in LOG.md.

The tolerance: in float64 another processor adds in another order. Arithmetic with AVX2 and without ends at most 4e-13
apart (BYOL, which makes some 200 times as much of what is off; the others 1e-14), so 1e-9 leaves room for a thousand
such differences. The methods' constants have two to five digits: a wrong one is off by 1e-5 or more. What is zero but
for rounding, as the bias of attention's keys, has a norm below 1e-15: that is what 1e-12 is for.
"""

from __future__ import annotations

import json

import pytest
from tests.golden.capture import FILE, steps

from kontrast.verify import tiny_methods

GOLDEN = json.loads(FILE.read_text())["methods"]


def test_every_method_has_its_golden_numbers() -> None:
    assert GOLDEN.keys() == set(tiny_methods.NAMES)


@pytest.mark.parametrize("name", tiny_methods.NAMES)
def test_twenty_steps_give_the_golden_losses_and_norms(name: str) -> None:
    found = steps(name)
    assert len(found["losses"]) == tiny_methods.STEPS == 20
    assert found["losses"] == pytest.approx(GOLDEN[name]["losses"], rel=1e-9, abs=1e-12)
    assert found["norms"] == pytest.approx(GOLDEN[name]["norms"], rel=1e-9, abs=1e-12)
