"""Retrieval: one partner of many, in both directions."""

import numpy as np
import pytest
import torch

from kontrast import keyed
from kontrast.evaluate import retrieval, view_retrieval
from kontrast.evaluate.retrieval import pair_retrieval


def test_retrieval_both_ways_with_several_captions_is_that_of_sorting():
    draw = np.random.default_rng(0)
    image, text = draw.standard_normal((30, 8)), draw.standard_normal((75, 8))
    owner = np.sort(np.concatenate([np.arange(30), draw.integers(0, 30, 45)]))
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (image, text)]
    score = unit[0] @ unit[1].T
    ranks = {"image_to_text": [], "text_to_image": []}
    for picture in range(30):
        order = np.argsort(-score[picture])
        best = next(place for place, caption in enumerate(order) if owner[caption] == picture)
        ranks["image_to_text"].append(best + 1 - 0)
    for caption in range(75):
        ranks["text_to_image"].append(int(np.flatnonzero(np.argsort(-score[:, caption]) == owner[caption])[0]) + 1)
    found = pair_retrieval(image.astype(np.float32), text.astype(np.float32), owner)
    for way, placed in ranks.items():
        for k in (1, 5, 10):
            assert found[f"{way}_recall_at_{k}"] == pytest.approx(np.mean(np.array(placed) <= k)), (way, k)
        assert found[f"{way}_median_rank"] == pytest.approx(np.median(placed))
    assert found["recall_at_5"] == pytest.approx(
        (found["image_to_text_recall_at_5"] + found["text_to_image_recall_at_5"]) / 2
    )


def test_a_collapsed_model_finds_nothing():
    same = np.ones((20, 4), np.float32)
    assert pair_retrieval(same, same, np.arange(20))["recall_at_10"] == 0


def gaussian(rows: int, width: int, name: str = "") -> torch.Tensor:
    return torch.randn(rows, width, generator=keyed.generator("test", name), dtype=torch.float64)


def test_ranks_by_sorting() -> None:
    query, bank = gaussian(13, 4, "q"), gaussian(13, 4, "b")
    item = torch.arange(13)
    cosine = torch.nn.functional.cosine_similarity(query[:, None], bank[None], dim=2).numpy()
    right = [1 + int((cosine[i] > cosine[i, i]).sum()) for i in range(13)]
    assert retrieval.ranks(query, bank, item, item).tolist() == right


def test_several_captions_count_as_found_with_the_best() -> None:
    query = torch.tensor([[1.0, 0.0]])
    bank = torch.tensor([[0.9, 0.1], [1.0, 0.0], [0.5, 0.5], [0.8, 0.1], [0.0, 1.0]])
    place = retrieval.ranks(query, bank, [7], [1, 2, 7, 7, 7])
    assert place.tolist() == [3]  # the two others go first; its own three do not push each other back
    found = retrieval.retrieval(query, bank, [7], [1, 2, 7, 7, 7])
    assert found == {"recall_at_1": 0.0, "recall_at_5": 1.0, "recall_at_10": 1.0, "median_rank": 3.0}


def test_equal_outputs_find_nothing() -> None:
    item = torch.arange(20)
    assert (retrieval.ranks(torch.ones(20, 3), torch.ones(20, 3), item, item) == 20).all()
    assert view_retrieval.view_recall(torch.ones(20, 3), torch.ones(20, 3)) == 0.0
    assert view_retrieval.view_recall(gaussian(20, 3), gaussian(20, 3)) == 1.0


def test_retrieval_refuses_what_has_no_partner() -> None:
    with pytest.raises(ValueError, match="at least one item of its own"):
        retrieval.ranks(torch.ones(1, 2), torch.ones(3, 2), [5], [1, 2, 3])
    with pytest.raises(ValueError, match="same items"):
        view_retrieval.view_recall(torch.ones(2, 2), torch.ones(3, 2))
