"""The check of resuming is red where a checkpoint forgets."""

import shutil
from pathlib import Path

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


def test_nothing_is_written_beside_a_method_from_a_file(tmp_path):
    file = tmp_path / "vicreg.py"
    shutil.copy(Path(__file__).parents[2] / "examples" / "vicreg.py", file)
    assert not reds(resume.check((f"{file}:VICReg",)))
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["vicreg.py"]
