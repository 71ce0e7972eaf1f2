"""The check of numerics is red for half precision."""

from tests.verify import faults

from kontrast import losses
from kontrast.verify import numerics


def reds(findings):
    return {finding.what for finding in findings if not finding.passed}


def test_a_softmax_in_half_precision_is_seen(monkeypatch):
    monkeypatch.setattr(losses, "nt_xent", faults.half_log_sum_exp)
    red = reds(numerics.check(()))
    assert any("nt_xent" in what for what in red) and not any("clip" in what for what in red)
