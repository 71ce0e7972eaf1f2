"""The check of resuming is red where a checkpoint forgets."""

from tests.verify import faults

from kontrast.training import checkpoints
from kontrast.verify import resume


def reds(findings):
    return {finding.what for finding in findings if not finding.passed}


def test_a_checkpoint_without_the_queue_is_seen(monkeypatch):
    real = checkpoints.save
    monkeypatch.setattr(
        checkpoints, "save", lambda folder, tensors, state: real(folder, faults.without_queue(tensors, state), state)
    )
    assert reds(resume.check(("moco", "simclr", "byol"))) == {
        f"{name}: tensors that differ after a resume" for name in ("moco", "simclr")
    }
