"""Pieces of a batch: what they save, what they leave, and how `auto` chooses. Their gradient: tests/verify."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from kontrast import train
from kontrast.data.open import open_source
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.norm import BatchNorm
from kontrast.training import chunks
from kontrast.verify import tiny_methods

ROWS = 30


def net():
    torch.set_num_threads(1)
    made = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), BatchNorm(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3))
    return ImageEncoder(made.double(), 3, {})


def pictures():
    return tiny_methods.batch("simclr", 0, rows=ROWS).views[0]


@pytest.mark.parametrize("size,keep", [(10, 0), (10, 3), (7, 1), (29, 0)])
def test_running_statistics_move_once_by_the_pieces_shares(size, keep):
    encoder, x = net(), pictures()
    norm, conv = encoder.net[1], encoder.net[0]
    with chunks.cut([encoder], size, keep=keep, per_chunk=True):
        encoder(x).sum().backward()
    count = -(-ROWS // size)
    edges = [ROWS * i // count for i in range(count + 1)]
    mean, var = torch.zeros(4).double(), torch.zeros(4).double()
    for start, stop in pairwise(edges):
        piece = conv(x[start:stop]).transpose(0, 1).flatten(1)
        mean += (stop - start) / ROWS * piece.mean(1).detach()
        var += (stop - start) / ROWS * piece.var(1).detach()
    torch.testing.assert_close(norm.running_mean, 0.1 * mean, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * var, rtol=1e-9, atol=1e-12)
    assert int(norm.num_batches_tracked) == 1 and norm.momentum == 0.1 and not norm.apart
    assert "forward" not in vars(encoder), "afterwards the module is as it was"


def stored(encoder, x):
    """Bytes that the graph holds after the forward pass."""
    seen = {}

    def note(tensor):
        seen[tensor.untyped_storage().data_ptr()] = (tensor.untyped_storage().nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        features = encoder(x)
    assert features.requires_grad
    return sum(size for size, _ in seen.values())


def test_pieces_store_nothing_and_kept_ones_do():
    encoder, x = net(), pictures()
    whole = stored(encoder, x)
    with chunks.cut([encoder], 5, per_chunk=True):
        cut = stored(encoder, x)
    assert cut < whole / 5
    per_row = chunks.bytes_per_row(encoder, x, torch.enable_grad)
    assert per_row * ROWS == pytest.approx(whole, rel=0.2)
    assert float(encoder.net[1].running_mean.abs().sum()) > 0


def test_auto_takes_the_whole_batch_where_it_fits_else_even_pieces():
    assert chunks.fitting(1000, 10.0, 10_000.0) == 0
    size = chunks.fitting(1000, 10.0, 4_000.0)
    assert size == 100 and size * 10 <= 4_000 / 4
    assert chunks.fitting(10, 1e12, 1.0) == 1
    assert chunks.storable(100, 10.0, 4_000.0) == 3 and chunks.storable(100, 10.0, 10.0) == 0


BF16 = pytest.param("byol", "bf16", marks=pytest.mark.proof)  # slow where it is emulated


@pytest.mark.parametrize("method,precision", [("simclr", "fp32"), BF16])  # the default is the machine's choice
def test_a_run_in_pieces_is_the_run(tmp_path, method, precision):
    losses, digits = [], open_source("digits")
    some = digits.part(digits.ids[:512])
    for chunk in (None, "100", "auto"):
        out = tmp_path / str(chunk)
        train(some, method=method, out=str(out), chunk=chunk, norm="group", epochs=1, threads=1, validate="none",
              batch_size=256, say=lambda text: None, precision=precision)  # fmt: skip
        losses.append([json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3 if precision == "bf16" else 1e-4)
    assert losses[2] == losses[0] and "chunk: '0'" in (tmp_path / "auto" / "config.yaml").read_text()
