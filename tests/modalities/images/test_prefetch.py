"""Processes that draw ahead: the same tensors in any order of steps, no process left over, failures told."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kontrast.errors import Failed
from kontrast.modalities.images.prefetch import CAN_FORK, Ahead

pytestmark = pytest.mark.skipif(
    not CAN_FORK, reason="processes that draw ahead are forks, which only Linux does safely"
)
SHAPES = [(3, 2), (4,)]


def draw(step: int) -> Sequence[Tensor]:
    """Tensors that say their step, and the process and threads that made them."""
    return [torch.full((3, 2), float(step)), torch.tensor([step, os.getpid() % 4096, torch.get_num_threads(), 0.0])]


def fails_at_two(step: int) -> Sequence[Tensor]:
    if step == 2:
        raise ValueError("picture two.png is gone")
    return draw(step)


def test_steps_in_turn_and_jumping_come_from_other_processes_of_one_thread() -> None:
    ahead = Ahead(draw, SHAPES, 40, 3)
    makers = set()
    for step in (0, 1, 2, 3, 4, 11, 12, 5, 5, 39, 38, 41, 0, 1):
        whole, told = ahead(step)
        assert (whole == step).all() and told[0] == step and told[2] == 1
        makers.add(int(told[1]))
    assert len(makers) == 3 and os.getpid() % 4096 not in makers


def test_what_was_given_stays_as_it_was() -> None:
    ahead = Ahead(draw, SHAPES, 10, 1)
    kept = [ahead(step)[0] for step in range(10)]
    assert [float(view[0, 0]) for view in kept] == list(range(10))


def test_memory_is_lent_and_drawn_into_again_when_nothing_lies_in_it_any_more() -> None:
    ahead, own = Ahead(draw, SHAPES, 40, 1), os.getpid() % 4096
    memory = set()
    for step in range(30):
        used = ahead(step)  # as in a training: the last one is kept until the next is there
        memory.add(used[0].data_ptr())
    del used
    assert len(memory) == 3
    parts = [ahead(step)[1][1:2] for step in range(30, 34)]  # a view of a tensor keeps its memory
    assert [float(part) == own for part in parts] == [False, False, False, True]
    parts.clear()
    assert float(ahead(34)[1][1]) != own


def test_what_draw_raises_is_raised_where_it_is_asked_for_and_the_rest_goes_on() -> None:
    ahead = Ahead(fails_at_two, SHAPES, 10, 2)
    assert float(ahead(1)[0][0, 0]) == 1  # while step 2 fails, ahead of time
    with pytest.raises(ValueError, match=r"two\.png"):
        ahead(2)
    assert float(ahead(3)[0][0, 0]) == 3 and float(ahead(4)[0][0, 0]) == 4


def test_a_process_ended_from_outside_is_told() -> None:
    before = set(multiprocessing.active_children())
    ahead = Ahead(draw, SHAPES, 10, 1)
    ahead(0)
    (child,) = set(multiprocessing.active_children()) - before
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(Failed, match="memory had run out"):
        [ahead(step) for step in (1, 2, 3)]


def test_processes_end_when_they_are_no_longer_needed() -> None:
    before = set(multiprocessing.active_children())
    ahead = Ahead(draw, SHAPES, 10, 2)
    ahead(0)
    children = set(multiprocessing.active_children()) - before
    assert len(children) == 2
    del ahead
    gc.collect()
    for child in children:
        child.join(10)
        assert child.exitcode == 0


def test_processes_end_with_a_trainer_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "trainer.py"
    script.write_text(
        "import multiprocessing, time, torch\n"
        "from kontrast.modalities.images.prefetch import Ahead\n"
        "ahead = Ahead(lambda step: [torch.zeros(2)], [(2,)], 100, 2)\n"
        "ahead(0)\n"
        "print(*(child.pid for child in multiprocessing.active_children()), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as trainer:
        assert trainer.stdout is not None
        workers = [int(pid) for pid in trainer.stdout.readline().split()]
        assert len(workers) == 2 and all(_alive(pid) for pid in workers)
        trainer.kill()
    for _ in range(100):
        if not any(_alive(pid) for pid in workers):
            return
        time.sleep(0.1)
    pytest.fail(f"processes {[pid for pid in workers if _alive(pid)]} outlived the trainer by ten seconds")


def _alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
