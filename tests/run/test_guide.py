"""A guide model beside the batches: each row its own vector, and false negatives taken out."""

import json

import numpy as np
import pytest
import torch

import kontrast
from kontrast.data.sampler import Sampler, batch_ids
from kontrast.methods.method import Batch
from kontrast.run.guide import Guided


def trained(data, out, **words):
    run = kontrast.train(data, out=str(out), validate="none", threads=1, say=lambda _: None, **words)
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return run, [row for row in rows if "loss" in row]


class Twos:
    """A guide that finds samples 0 and 1 the same, 2 and 3, and so on."""

    def embed_source(self, source, ids):
        return torch.eye(10)[torch.from_numpy(ids) // 2]


@pytest.mark.parametrize("named", [False, True])
def test_a_guide_gives_each_row_its_own_vector(named):
    """Also where a batch calls its rows by picture and not by sample, and on the second of two processes."""
    ids, size, seed = np.array([7, 1, 2, 3, 4, 5, 6, 8, 9, 10]), 5, 3

    class Plain:
        waited, messages = 0.0, ()

        def __call__(self, step):
            rows_B = batch_ids(np.sort(ids), step, size, seed)[3:]
            return Batch((), torch.from_numpy(rows_B) * 0 - 1 if named else torch.from_numpy(rows_B), step, size, 3)

    guided = Guided(Plain(), Twos(), None, Sampler(ids, size, seed, 10, 1, 2))
    for step in range(4):
        expected = torch.from_numpy(batch_ids(np.sort(ids), step, size, seed)[3:]) // 2
        assert torch.equal(guided(step).given["guide"].argmax(1), expected)


def test_a_guide_takes_false_negatives_out(tmp_path):
    """A margin of 3 takes out every cosine above -2, so no negative is left; one of 0 takes none."""
    words = {"method": "simclr", "epochs": 1, "batch_size": 128}
    first, _ = trained("digits", tmp_path / "first", **words)
    folder = str(first.path)
    _, none = trained("digits", tmp_path / "none", negatives=f"guide:{folder}+margin:3", **words)
    _, plain = trained("digits", tmp_path / "plain", negatives=f"guide:{folder}+margin:0", **words)
    _, alone = trained("digits", tmp_path / "alone", **words)
    assert none[0]["loss"] == 0.0
    assert plain[0]["loss"] == pytest.approx(alone[0]["loss"], rel=1e-5)
