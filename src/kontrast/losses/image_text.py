"""Images and their texts: the losses of CLIP and SigLIP.

Shapes: B pairs, D width, E prepared width, G width of a guide model, R rows that are ours.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kontrast.losses.contrastive import softened, surprise
from kontrast.losses.engine import small_batch
from kontrast.losses.engine.arguments import Reduction, formerly, integers, matrices, ours, reduced, scale_of
from kontrast.losses.engine.candidates import Against, Guide
from kontrast.losses.engine.sigmoid_tiles import softplus_sum
from kontrast.losses.engine.tiles import Limits, Stripes, Tag
from kontrast.similarity import Similarity, logit, unit


@formerly("signs", "diagnostics")
def clip(
    image_BD: Tensor,
    text_BD: Tensor,
    *,
    temperature: Tensor | float,
    similarity: Similarity = "cosine",
    decoupled: bool = False,
    ids_B: Tensor | None = None,
    groups_B: Tensor | None = None,
    guide: Guide | None = None,
    tau_plus: float = 0.0,
    beta: float = 0.0,
    diagnostics: dict[str, Tensor] | None = None,
    rows: slice | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """CLIP: each image must find its text among all texts, and each text its image; the mean of the two directions.

        loss_b = (info_nce of image b among texts + info_nce of text b among images) / 2      mean over all B pairs

    Guessing costs ln B. Both directions come from one pass over the tiles. `siglip` judges each pair alone instead.

    Args:
        image_BD, text_BD: float; row b of both belongs together.
        temperature: > 0; learned in CLIP (`kontrast.similarity.Temperature`).
        ids_B, groups_B: integers; pairs with equal ids (equal captions, the same image) are not each other's negatives.
        guide: `Guide(image_BG, text_BG, margin)` of another model.
        reduction: "none" gives (rows,). The other options: `losses.contrastive`.

    Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021.
    """
    matrices(image=image_BD, text=text_BD, rows_too=True)
    B = len(image_BD)
    mine, R, all_ours = ours(rows, B)
    if B < 2:
        raise ValueError(f"a batch needs at least 2 pairs, or there are no negatives; got {B}")
    ids_B, groups_B = integers(B, ids_B=ids_B, groups_B=groups_B)
    if guide is not None:
        guide.fits(B, B)
    against = Against.of(temperature, similarity, tau_plus=tau_plus, beta=beta, diagnostics=diagnostics)
    tags: list[Tag] = [(name_B[mine], name_B) for name_B in (ids_B, groups_B) if name_B is not None]
    if ids_B is None:
        tags.append(Stripes(2 * B, mine.start))
    if all_ours and guide is None and against.plain and small_batch.fits(B, against.largest):
        loss_2R = softened(small_batch.both_ways(image_BD, text_BD, against.scale, tags), decoupled)
        return reduced(loss_2R, 2 * B, reduction) if reduction == "mean" else loss_2R.view(2, R).mean(0)
    image_BE, text_BE = against.query(image_BD), against.key(text_BD)
    positive_PR = logit(image_BE[mine], text_BE[mine], similarity).repeat(1, 2)
    if all_ours and guide is None:
        negative_2R = against.log_negatives(image_BE, text_BE, tags, positive_PR, columns="own")
    else:
        limits: list[Limits | None] = [None, None]
        if guide is not None:
            back = Guide(guide.key_KG, guide.query_QG, guide.margin)
            limits = [guide.limits(guide.key_KG[mine], mine), back.limits(guide.query_QG[mine], mine)]
        images_R = against.log_negatives(image_BE[mine], text_BE, tags, positive_PR[:, :R], limits=limits[0])
        texts_R = against.log_negatives(text_BE[mine], image_BE, tags, positive_PR[:, R:], limits=limits[1])
        negative_2R = torch.cat([images_R, texts_R])
    return reduced(surprise(positive_PR, negative_2R, decoupled).view(2, R).mean(0), B, reduction)


def siglip(
    image_BD: Tensor,
    text_BD: Tensor,
    *,
    temperature: Tensor | float,
    bias: Tensor | float,
    ids_B: Tensor | None = None,
    groups_B: Tensor | None = None,
    rows: slice | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """SigLIP: each image and text is judged alone, together or not; no softmax over the batch.

        loss_b = sum over texts c of  -ln sigmoid(y_bc (cos(image_b, text_c) / T + bias))     mean over B images
        y = 1 where b = c, else -1

    Guessing (cosine 0) costs softplus(-bias) + (B - 1) softplus(bias): about 10 + 1.5 at B = 32,768 with bias -10.

    Args:
        temperature: > 0; starts at 1/10. bias: starts at -10. Both are learned: tensors get their gradients.
        ids_B, groups_B: pairs with equal ids are not each other's negatives.
        rows: the images that are ours. reduction: "none" gives (rows,).

    Source: Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", arXiv:2303.15343.
    """
    matrices(image=image_BD, text=text_BD, rows_too=True)
    B = len(image_BD)
    mine, _, _ = ours(rows, B)
    ids_B, groups_B = integers(B, ids_B=ids_B, groups_B=groups_B)
    bias = _one_number(bias)
    image_RE, text_BE = unit(image_BD[mine], scale_of(temperature)), unit(text_BD)
    biased_R1 = torch.ones_like(image_RE[:, :1]) * bias  # the bias rides along as one more coordinate
    image_RE, text_BE = torch.cat([image_RE, biased_R1], 1), torch.cat([text_BE, torch.ones_like(text_BE[:, :1])], 1)
    tags: list[Tag] = [(name_B[mine], name_B) for name_B in (ids_B, groups_B) if name_B is not None]
    against_R = softplus_sum(image_RE, text_BE, [*tags, Stripes(2 * B, mine.start)])
    together_R = F.softplus(-logit(image_RE, text_BE[mine], "dot"), threshold=50.0)
    return reduced(together_R + against_R, B, reduction)


def _one_number(bias: Tensor | float) -> Tensor | float:
    if isinstance(bias, Tensor) and bias.numel() != 1:
        raise ValueError(f"bias must be one number, got a tensor of shape {tuple(bias.shape)}")
    number = bias.detach() if isinstance(bias, Tensor) else torch.tensor(bias)
    if number.device.type == "cpu" and not math.isfinite(float(number)):
        raise ValueError(f"bias must be finite, got {float(number)}")
    return bias.reshape(()) if isinstance(bias, Tensor) else bias
