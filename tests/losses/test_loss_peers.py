"""Against the libraries people use, where they are right; skipped where they are not installed."""

import pytest
import torch
import torch.nn.functional as F
from tests.losses.loss_cases import made

from kontrast import losses
from kontrast.negatives.hard import mined


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


def test_nt_xent_is_pytorch_metric_learnings():
    """Theirs takes labels: the two views of a sample share one. Small here, as its table of triplets is cubic."""
    peer = pytest.importorskip("pytorch_metric_learning.losses")
    a, b = rows("a"), rows("b")
    theirs = peer.NTXentLoss(temperature=0.1)(torch.cat([a, b]), torch.arange(96).repeat(2))
    agree(losses.nt_xent(torch.stack([a, b]), temperature=0.1), theirs, a, b)


@pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning")
def test_weights_of_positives_are_lightlys():
    """Theirs stops the weights' gradient, which the authors' code does not: values alone are compared."""
    peer = pytest.importorskip("lightly.loss")
    a, b = rows("a"), rows("b")
    theirs = peer.DCLWLoss(temperature=0.1, sigma=0.5)(a, b)
    torch.testing.assert_close(losses.dclw(torch.stack([a, b]), temperature=0.1), theirs, rtol=1e-5, atol=1e-6)


def test_byol_is_lightlys():
    """Theirs is minus the cosine: ours is 2 + 2 times theirs."""
    peer = pytest.importorskip("lightly.loss")
    a, b = rows("a"), rows("b")
    agree(losses.byol(a, b), 2 + 2 * peer.NegativeCosineSimilarity()(a, b), a, b)


def test_swapped_prediction_is_lightlys():
    """Codes and loss at once, of cosines: theirs, without logarithms, overflows where scores / epsilon are large."""
    peer = pytest.importorskip("lightly.loss")
    scores = [F.normalize(made(96, 32, key=key, dtype=torch.float32), dim=1).requires_grad_() for key in "ab"]
    theirs = peer.SwaVLoss(temperature=0.1, sinkhorn_epsilon=0.05, sinkhorn_iterations=3)(scores, []).squeeze(0)
    codes = torch.stack([losses.sinkhorn(x.detach(), epsilon=0.05, iterations=3) for x in scores])
    agree(losses.swapped_prediction(torch.stack(scores), codes, temperature=0.1), theirs, *scores)


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
    peer = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    a, b, hard = rows("a"), rows("b"), rows("hard")
    ranking = peer.MultipleNegativesRankingLoss(torch.nn.Identity(), scale=20.0)
    ours = losses.info_nce(a, torch.cat([b, hard]), temperature=0.05)
    agree(ours, ranking.compute_loss_from_embeddings([a, b, hard], None), a, b, hard)


def test_one_direction_is_the_cached_form_too():
    """CachedMultipleNegativesRankingLoss cuts its table into rows; ours never stores one. Same loss, same gradients."""
    peer = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    a, b, hard = rows("a"), rows("b"), rows("hard")
    model = torch.nn.Sequential(torch.nn.Identity())
    ranking = peer.CachedMultipleNegativesRankingLoss(model, scale=20.0, mini_batch_size=32)
    theirs = ranking.calculate_loss([list(x.split(32)) for x in (a, b, hard)])
    agree(losses.info_nce(a, torch.cat([b, hard]), temperature=0.05), theirs, a, b, hard)


def test_hard_negatives_are_those_that_sentence_transformers_mines():
    """Same places under the same rules. Theirs applies them to the nearest `range_max` keys alone: to all, here."""
    peer = pytest.importorskip("sentence_transformers.util")
    datasets = pytest.importorskip("datasets")
    query, bank = F.normalize(rows("query").detach(), dim=1), F.normalize(rows("bank").detach(), dim=1)
    bank = F.normalize(query + bank, dim=1)  # so that positives are near, as mining expects

    class Looked:
        """What mining asks of a model: vectors of words, here a table."""

        similarity_fn_name, device, prompts = "cosine", "cpu", {}

        def similarity(self, a, b):
            return torch.as_tensor(a) @ torch.as_tensor(b).T

        def similarity_pairwise(self, a, b):
            return (torch.as_tensor(a) * torch.as_tensor(b)).sum(1)

        def encode(self, words, **_):
            return torch.stack([{"q": query, "k": bank}[word[0]][int(word[1:])] for word in words]).numpy()

        encode_query = encode_document = encode

    pairs = datasets.Dataset.from_dict({"q": [f"q{i}" for i in range(96)], "k": [f"k{i}" for i in range(96)]})
    positive_Q = (query * bank).sum(1)
    for rule in ({}, {"absolute_margin": 0.4}, {"relative_margin": 0.6}, {"absolute_margin": 0.4, "skip": 2}):
        said = {("range_min" if name == "skip" else name): value for name, value in rule.items()}
        theirs = peer.mine_hard_negatives(
            pairs, Looked(), num_negatives=3, output_format="n-tuple", range_max=95, verbose=False, **said
        )
        names = torch.arange(96)
        places, allowed = mined(query, bank, 3, name_Q=names, name_K=names, positive_Q=positive_Q, **rule)
        ours = {f"q{i}": [f"k{int(k)}" for k in places[i]] for i in range(96) if bool(allowed[i].all())}
        found = {row["q"]: [row[f"negative_{n}"] for n in (1, 2, 3)] for row in theirs}
        assert found == ours and len(ours) > 10


def test_sup_con_is_pytorch_metric_learnings():
    peer = pytest.importorskip("pytorch_metric_learning.losses")
    a, labels = rows("a"), torch.arange(96) % 7
    agree(losses.sup_con(a, labels, temperature=0.2), peer.SupConLoss(temperature=0.2)(a, labels), a)
