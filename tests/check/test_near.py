"""Near pairs: by keys as by all pairs, and of sentences as Jaccard says."""

from __future__ import annotations

import numpy as np
import pytest

from kontrast.check import near


def rows(count: int, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).standard_normal((count, 48)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("apart", [False, True])
def test_keys_find_what_all_pairs_find(apart: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    base = rows(600, 0)
    copies = base[:200] + 0.2 * rows(200, 1)
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    both = (base, copies) if apart else (np.concatenate([base, copies]), None)
    whole = near.of_vectors(*both, 0.9)
    monkeypatch.setattr(near, "ALL_PAIRS", 10)
    keyed = near.of_vectors(*both, 0.9)
    assert len(whole) == 200
    pairs = [set(zip(one.first.tolist(), one.second.tolist())) for one in (whole, keyed)]
    assert pairs[1] <= pairs[0] and len(pairs[1]) >= 0.98 * len(pairs[0])
    assert (np.diff(keyed.cosine) <= 0).all()


def test_plain_words() -> None:
    assert near.plain("  A dog,\n RUNS -- fast! ") == "a dog runs fast"
    assert near.plain("Stra\N{LATIN SMALL LETTER SHARP S}e") == near.plain("STRASSE") and near.plain("?!") == ""


def test_sentences_by_the_share_of_words() -> None:
    texts = ["a b c d e f g h i j", "a b c d e f g h i k", "z y x w v u t s r q", "a b c d e f g h i j"]
    found = near.of_texts(texts, None, 0.5)
    told = {(int(a), int(b)): float(c) for a, b, c in zip(found.first, found.second, found.cosine)}
    assert told == {(0, 1): pytest.approx(17 / 21), (1, 3): pytest.approx(17 / 21)}
