"""Against the libraries people use, where they are right; skipped where they are not installed."""

import pytest
import torch
import torch.nn.functional as F
from loss_cases import made

from kontrast import losses


def agree(ours, theirs, *leaves):
    """Value, and gradient of each leaf."""
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    for one, two in zip(torch.autograd.grad(ours, leaves), torch.autograd.grad(theirs, leaves)):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-7)


def rows(key):
    return made(96, 32, key=key, dtype=torch.float32).requires_grad_()


def test_nt_xent_is_lightlys():
    peer = pytest.importorskip("lightly.loss")
    a, b = rows("a"), rows("b")
    agree(losses.nt_xent(torch.stack([a, b]), temperature=0.1), peer.NTXentLoss(temperature=0.1)(a, b), a, b)


def test_decoupled_is_lightlys():
    """DCLLoss adds the two directions' means over different rows; both are means over B, so ours is their half."""
    peer = pytest.importorskip("lightly.loss")
    a, b = rows("a"), rows("b")
    agree(
        losses.nt_xent(torch.stack([a, b]), temperature=0.1, decoupled=True), peer.DCLLoss(temperature=0.1)(a, b), a, b
    )


def test_barlow_twins_is_lightlys():
    """Theirs normalises with the same biased variance and eps 1e-5."""
    peer = pytest.importorskip("lightly.loss")
    a, b = rows("a"), rows("b")
    agree(losses.barlow_twins(a, b, off_diagonal_weight=0.005), peer.BarlowTwinsLoss(lambda_param=0.005)(a, b), a, b)


def test_clip_is_open_clips():
    peer = pytest.importorskip("open_clip.loss")
    a, b, scale = rows("a"), rows("b"), torch.tensor(14.3, requires_grad=True)
    theirs = peer.ClipLoss()(F.normalize(a, dim=1), F.normalize(b, dim=1), scale)
    agree(losses.clip(a, b, temperature=1 / scale), theirs, a, b, scale)


def test_siglip_is_open_clips():
    peer = pytest.importorskip("open_clip.loss")
    a, b = rows("a"), rows("b")
    scale, bias = torch.tensor(10.0, requires_grad=True), torch.tensor(-10.0, requires_grad=True)
    theirs = peer.SigLipLoss()(F.normalize(a, dim=1), F.normalize(b, dim=1), scale, bias)
    agree(losses.siglip(a, b, temperature=1 / scale, bias=bias), theirs, a, b, scale, bias)


def test_one_direction_is_sentence_transformers_in_batch_loss():
    """MultipleNegativesRankingLoss on given embeddings: scale 20 is temperature 0.05; hard negatives are more keys."""
    peer = pytest.importorskip("sentence_transformers.losses")
    a, b, hard = rows("a"), rows("b"), rows("hard")
    ranking = peer.MultipleNegativesRankingLoss(torch.nn.Identity(), scale=20.0)
    ours = losses.info_nce(a, torch.cat([b, hard]), temperature=0.05)
    agree(ours, ranking.compute_loss_from_embeddings([a, b, hard], None), a, b, hard)


def test_sup_con_is_pytorch_metric_learnings():
    peer = pytest.importorskip("pytorch_metric_learning.losses")
    a, labels = rows("a"), torch.arange(96) % 7
    agree(losses.sup_con(a, labels, temperature=0.2), peer.SupConLoss(temperature=0.2)(a, labels), a)
