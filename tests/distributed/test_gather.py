"""The one gather: rows of unequal number in process order, gradients summed back to their owner."""

import torch

from kontrast.distributed import gather
from kontrast.verify import multiprocess

ROWS = (3, 2)  # of the two processes


def gathered():
    """In each process: the joined rows, which are ours, and d/d(ours) of a sum that weighs rows and processes."""
    here = gather.rank()
    mine = (10.0 * here + torch.arange(ROWS[here], dtype=torch.float64))[:, None].requires_grad_()
    joined, rows = gather.gather_rows(mine, 0)
    weight = torch.arange(1, 6, dtype=torch.float64)[:, None]
    ((here + 1) * weight * joined).sum().backward()
    with gather.alone():
        alone = gather.gather_rows(mine, 0)[1]
    turned = gather.gather_rows(mine.detach().T, 1)[0]
    same = [joined[:, 0].tolist() == [0, 1, 2, 10, 11], turned.tolist() == [joined[:, 0].tolist()]]
    start = sum(ROWS[:here])
    same += [rows == slice(start, start + ROWS[here]), alone == slice(0, ROWS[here])]
    return [*same, mine.grad[:, 0].tolist() == [3.0 * w for w in range(start + 1, start + 1 + ROWS[here])]]


def test_rows_come_in_process_order_and_gradients_go_home():
    assert all(multiprocess.ask(2, gathered))


def test_alone_it_is_the_tensor_itself():
    x = torch.ones(4, 2)
    joined, rows = gather.gather_rows(x, 0)
    assert joined is x and rows == slice(0, 4) and gather.processes() == 1 and gather.rank() == 0
