"""The card tells what a model is, and only a model that gives the same vectors gets one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.exchange.folders import about, look, trained

from kontrast import exchange
from kontrast.errors import Failed
from kontrast.exchange import card
from kontrast.exchange.card import About


def test_a_folder_that_gives_other_vectors_is_not_certified(tmp_path: Path) -> None:
    encoder = trained("small", 8)
    encoder.net[0].register_forward_hook(lambda _module, _inputs, y: y + 1)  # a live net that no file describes
    with pytest.raises(Failed, match="gives other vectors"):
        exchange.write(tmp_path, encoder, look(encoder.spec["image_size"]), about())


def test_the_card_tells_data_method_metrics_and_loaders(tmp_path: Path) -> None:
    exchange.write(tmp_path, trained("resnet18", 32), look(32), about())
    card = (tmp_path / "README.md").read_text()
    for part in (
        "# resnet18 with the 3x3 CIFAR stem, trained with simclr",
        "on 200 pictures",
        "learned: kNN 0.8, random weights 0.3",
        "own encoder.py (which needs torch, numpy, safetensors, pillow and timm, not kontrast)",
        "| | learned | random weights |",
        "| knn_top1 | 0.8123 | 0.3 |",
        "| recall_at_1 | 0.5 |  |",
        "On 100 pictures never trained on",
        "| temperature | 0.5 |",
        "mean (0.4, 0.5, 0.6) and std (0.2, 0.25, 0.3)",
    ):
        assert part in card
    assert card.startswith("---\nlibrary_name: pytorch\n")


def test_the_card_says_which_columns_stand_alone() -> None:
    said = card.fewer(About("simcse", "sentences", settings={"widths": "8, 16"}), "truncate_dim={width}")
    assert "its first 8, 16 columns" in said
    assert "truncate_dim=8" in said and card.fewer(About("simcse", "sentences")) == ""
