"""`explain`: a small batch by hand, with the library beside it."""

import pytest
import torch
from tests.losses.loss_cases import made

from kontrast import losses

Z, A, B = made(2, 6, 4), made(6, 4), made(6, 4, key="b")


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
