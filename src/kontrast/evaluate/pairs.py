"""Do pictures find their captions, and captions their pictures? Retrieval both ways, several captions a picture.

Shapes: N pictures, M captions, D embedding width.
"""

from __future__ import annotations

import torch

from kontrast.evaluate.knn import Vectors
from kontrast.evaluate.retrieval import retrieval

DIRECTIONS = ("image_to_text", "text_to_image")


def pair_retrieval(image_ND: Vectors, text_MD: Vectors, picture_M: Vectors) -> dict[str, float]:
    """`recall_at_1`, `recall_at_5`, `recall_at_10`, `median_rank`: the mean of both directions; and each one alone.

    picture_M  the row in `image_ND` that each caption belongs to
    A picture has found its captions with the best of them; a caption has one picture. Each direction alone is named
    `image_to_text_recall_at_1` and so on. Chance of recall at k: about k / N for captions, and for pictures with P
    captions each about P k / M, which is the same.
    """
    place_N = torch.arange(len(image_ND))
    both = (
        retrieval(image_ND, text_MD, place_N, picture_M),
        retrieval(text_MD, image_ND, picture_M, place_N),
    )
    mean = {name: (both[0][name] + both[1][name]) / 2 for name in both[0]}
    return mean | {f"{way}_{name}": value for way, found in zip(DIRECTIONS, both) for name, value in found.items()}
