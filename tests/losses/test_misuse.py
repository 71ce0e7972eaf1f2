"""Wrong calls are told in one or two sentences that name the argument, what was expected and what came."""

import pytest
import torch
from loss_cases import made

from kontrast import losses
from kontrast.similarity import Temperature, pairwise, table

Z, A, B = made(2, 6, 4), made(6, 4), made(6, 4, key="b")
LONG = torch.arange(6)

WRONG = {
    "temperature must be > 0": lambda: losses.nt_xent(Z, temperature=0.0),
    "one number": lambda: losses.nt_xent(Z, temperature=torch.ones(3)),
    "similarity must be one of": lambda: losses.nt_xent(Z, temperature=0.1, similarity="cosin"),
    "views must be float": lambda: losses.nt_xent(A, temperature=0.1),
    "V and B >= 2": lambda: losses.nt_xent(Z[:1], temperature=0.1),
    "ids_B must be": lambda: losses.nt_xent(Z, temperature=0.1, ids_B=torch.arange(5)),
    "groups_B must be": lambda: losses.nt_xent(Z, temperature=0.1, groups_B=torch.zeros(6)),
    "reduction must be": lambda: losses.nt_xent(Z, temperature=0.1, reduction="sum"),
    "tau_plus is the share": lambda: losses.nt_xent(Z, temperature=0.1, tau_plus=1.0),
    "tau_plus needs": lambda: losses.nt_xent(Z, temperature=0.1, tau_plus=0.1, similarity="dot"),
    "beta sharpens": lambda: losses.nt_xent(Z, temperature=0.1, beta=-1.0),
    "negative_ids_K are compared": lambda: losses.nt_xent(Z, temperature=0.1, negatives_KD=A, negative_ids_K=LONG),
    "rows must be": lambda: losses.nt_xent(Z, temperature=0.1, rows=slice(6, 9)),
    "key must have the width": lambda: losses.info_nce(A, made(6, 5), temperature=0.1),
    "query needs a positive": lambda: losses.info_nce(A, B[:3], temperature=0.1),
    "positive_Q must be": lambda: losses.info_nce(A, B, torch.zeros(6), temperature=0.1),
    "text must have the shape": lambda: losses.clip(A, B[:5], temperature=0.1),
    "at least 2 pairs": lambda: losses.clip(A[:1], B[:1], temperature=0.1),
    "label_N must be": lambda: losses.sup_con(A, torch.zeros(6), temperature=0.1),
    "similar must be": lambda: losses.margin(A, B, torch.zeros(6)),
    "margin is a distance": lambda: losses.margin(A, B, LONG % 2 == 0, similarity="dot"),
    "margin must be > 0": lambda: losses.margin(A, B, LONG % 2 == 0, margin=0.0),
    "at least 2 samples": lambda: losses.barlow_twins(A[:1], B[:1]),
    "second must have the shape": lambda: losses.barlow_twins(A, B[:, :3]),
    "scores \\(V, B, K\\)": lambda: losses.swapped_prediction(Z, made(1, 5, 4), temperature=0.1),
    "predicted from another view": lambda: losses.swapped_prediction(Z[:1], Z[:1], temperature=0.1),
    "sinkhorn needs": lambda: losses.sinkhorn(A, epsilon=0.0),
    "chance is known for": lambda: losses.chance("nt-xent", batch=4),
    "chance of clip takes": lambda: losses.chance("clip", rows=4),
    "exponent must be > 0": lambda: losses.alignment(A, B, exponent=0.0),
    "uniformity needs": lambda: losses.uniformity(A[:1]),
    "explain knows": lambda: losses.explain("siglipp", A, B),
    "only one was given": lambda: losses.explain("clip", A),
    "from label_N": lambda: losses.explain("sup_con", A),
    "from similar_B": lambda: losses.explain("margin", A, B),
    "two views": lambda: losses.dclw(made(3, 4, 2), temperature=0.1),
    "sigma must be": lambda: losses.dclw(made(2, 4, 2), temperature=0.1, sigma=0.0),
    "cannot be read": lambda: losses.explain("clip", made(40, 4), made(40, 4)),
}


@pytest.mark.parametrize("said", WRONG)
def test_wrong_calls_are_told_in_words(said):
    with pytest.raises(ValueError, match=said) as told:
        WRONG[said]()
    assert len(str(told.value)) < 300


def test_explain_agrees_with_the_library_and_marks_who_is_who():
    ids = torch.tensor([0, 1, 1, 2, 3, 4])
    text = losses.explain("nt_xent", Z, temperature=0.5, ids_B=ids, similarity="euclidean")
    by_hand, library = (part.split()[-1] for part in text.splitlines()[-1].split(";"))
    assert by_hand == library
    row = text.splitlines()[1]
    assert (row.count("x"), row.count("+"), "ln 9 candidates" in row) == (3, 1, True)
    said = losses.explain("clip", A, B, ids_B=ids)
    assert f"{float(losses.clip(A, B, temperature=0.1, ids_B=ids)):.4f}" in said


ALONE = torch.tensor([0, 1, 1, 2, 0, 1])  # the fourth row has no positive
EXPLAINED = {
    "info_nce": lambda: losses.explain("info_nce", A, B, temperature=0.3, ids_B=ALONE),
    "sup_con": lambda: losses.explain("sup_con", A, label_N=ALONE, similarity="squared_euclidean"),
    "dclw": lambda: losses.explain("dclw", Z, ids_B=ALONE, sigma=0.3),
    "uniformity": lambda: losses.explain("uniformity", A, t=1.5),
    "alignment": lambda: losses.explain("alignment", A, B, exponent=3),
    "siglip": lambda: losses.explain("siglip", A, B, bias=-1.0, ids_B=ALONE),
    "margin": lambda: losses.explain("margin", A, B, similar_B=ALONE == 1, margin=4.0),
    "margin, cosine": lambda: losses.explain("margin", A, B, similar_B=ALONE == 1, similarity="cosine"),
    "byol": lambda: losses.explain("byol", A, B),
    "barlow_twins": lambda: losses.explain("barlow_twins", A, B, off_diagonal_weight=0.3),
    "swapped_prediction": lambda: losses.explain("swapped_prediction", Z, losses.sinkhorn(A)[None]),
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_each_loss_is_worked_out_by_hand(name):
    last = EXPLAINED[name]().splitlines()[-1]
    by_hand, library = (float(part.split()[-1]) for part in last.split(";")[-2:])
    assert by_hand == pytest.approx(library, abs=2e-4) and by_hand != 0, last


def test_every_loss_can_be_explained_and_says_its_chance():
    functions = set(losses.__all__) - {"Guide", "chance", "explain", "sinkhorn"}
    assert functions == {name.split(",")[0] for name in EXPLAINED} | {"nt_xent", "clip"}
    for name in functions:
        with pytest.raises(ValueError, match=f"chance of {name} takes"):
            losses.chance(name, nothing=1)


def test_temperature_is_fixed_or_learned():
    fixed, learned = Temperature(0.1), Temperature(learned=True)
    assert fixed() == 0.1 and not list(fixed.parameters())
    assert float(learned().detach()) == pytest.approx(0.07, rel=1e-6)
    learned.double()
    losses.clip(A, B, temperature=learned()).backward()
    assert learned.log_scale.grad is not None and learned.log_scale.ndim == 0
    with torch.no_grad():
        learned.log_scale.fill_(9.0)
    learned.clamp_()
    assert float(learned().detach()) == pytest.approx(0.01)
    with torch.no_grad():
        learned.log_scale.fill_(-3.0)
    learned.clamp_()
    assert float(learned().detach()) == 1.0
    with pytest.raises(ValueError, match="temperature"):
        Temperature(0.0)


@pytest.mark.parametrize("kind", ["cosine", "dot", "euclidean", "squared_euclidean"])
def test_pairwise_is_the_diagonal_of_the_table(kind):
    torch.testing.assert_close(pairwise(A, B, kind), table(A, B, kind).diagonal())
    assert bool(
        torch.autograd.gradcheck(
            lambda a, b: table(a, b, kind), (A.clone().requires_grad_(), B.clone().requires_grad_())
        )
    )
