"""Wrong calls of losses are told in words."""

import pytest
import torch
from tests.losses.loss_cases import made

from kontrast import losses

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
