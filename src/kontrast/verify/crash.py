"""A process that dies inside a save leaves a run that can go on: the new checkpoint whole, or the one before it.

Each death is real: a child kills itself with SIGKILL at that place. A file that is cut or altered is refused.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from kontrast import files
from kontrast.training import checkpoints
from kontrast.verify import multiprocess
from kontrast.verify.findings import Finding

PLACES = ("half of the file", "before fsync", "before rename", "after rename", "while dropping old ones")


def check(names: Sequence[str] = ()) -> list[Finding]:
    """Folders without a right checkpoint afterwards: none may be. The methods play no part."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for place in PLACES:
            lost = lost_by(Path(folder) / place.replace(" ", "-"), place)
            found.append(Finding("crash", f"killed in a save, {place}: runs lost", lost, 0))
        for name, harm in HARM.items():
            lost = harmed(Path(folder) / name.replace(" ", "-"), harm)
            found.append(Finding("crash", f"newest checkpoint {name}: runs lost", lost, 0))
    return found


def written(step: int) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """A checkpoint of that step, with a content that follows from the step."""
    return {"weights": torch.full((1000,), float(step))}, {"step": step}


def lost_by(folder: Path, place: str) -> int:
    """0 if, after a death at this place in saving step 3, the newest good checkpoint is whole and of step 2 or 3."""
    for step in (1, 2):
        checkpoints.save(folder, *written(step))
    child = multiprocess.warm().Process(target=_save_and_die, args=(folder, place))
    child.start()
    child.join(60)
    died = child.exitcode == -signal.SIGKILL
    tensors, state, _ = checkpoints.newest(folder)
    right = torch.equal(tensors["weights"], written(state["step"])[0]["weights"]) and state["step"] in (2, 3)
    checkpoints.save(folder, *written(4))  # and the run can go on saving
    return int(not (died and right and checkpoints.newest(folder)[1]["step"] == 4))


def _save_and_die(folder: Path, place: str) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    real = os.replace

    def half(tensors: Any, path: Path, metadata: Any) -> None:
        path.write_bytes(b"\x00" * 2000)
        die()

    def after(source: Path, target: Path) -> None:
        real(source, target)
        die()

    if place == "half of the file":
        vars(files)["save_file"] = half
    elif place == "before fsync":
        os.fsync = die  # type: ignore[assignment]
    elif place == "before rename":
        os.replace = die  # type: ignore[assignment]
    elif place == "after rename":
        os.replace = after  # type: ignore[assignment]
    else:
        Path.unlink = die  # type: ignore[method-assign,assignment]
    checkpoints.save(folder, *written(3))


def harmed(folder: Path, harm: Callable[[Path], None]) -> int:
    """0 if the one before is taken when the newest is harmed, and that is said."""
    for step in (1, 2):
        checkpoints.save(folder, *written(step))
    harm(checkpoints.found(folder)[-1])
    _, state, refused = checkpoints.newest(folder)
    return int(state["step"] != 1 or len(refused) != 1)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _altered(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


HARM: dict[str, Callable[[Path], None]] = {"cut": _cut, "altered by one bit": _altered, "empty": _empty}
