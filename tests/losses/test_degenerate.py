"""Where a loss has nothing to compare, or is given what means nothing: the right value, or a ValueError with a name."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_cases import SIMILARITIES, made

from kontrast import losses
from kontrast.losses import Guide

Z, A, B = made(2, 6, 4), made(6, 4), made(6, 4, key="b")
ONE, LONG = torch.zeros(6, dtype=torch.int64), torch.arange(6)
SCORES, CODES = made(2, 6, 5), losses.sinkhorn(made(6, 5))[None]
EMPTY, THIN, WHOLE = A[:0], A[:, :0], A.long()
ROWS = {  # each loss of two matrices, or of one given twice
    "nt_xent": lambda a, b, **h: losses.nt_xent(torch.stack([a, b]), temperature=0.1, **h),
    "info_nce": lambda a, b, **h: losses.info_nce(a, b, temperature=0.1, **h),
    "clip": lambda a, b, **h: losses.clip(a, b, temperature=0.1, **h),
    "siglip": lambda a, b, **h: losses.siglip(a, b, temperature=0.1, bias=-1.0, **h),
    "sup_con": lambda a, b: losses.sup_con(torch.cat([a, b]), torch.arange(len(a)).repeat(2), temperature=0.1),
    "dclw": lambda a, b, **h: losses.dclw(torch.stack([a, b]), temperature=0.1, **h),
    "margin": lambda a, b, **h: losses.margin(a, b, torch.arange(len(a)) % 2, **h),
    "barlow_twins": losses.barlow_twins,
    "swapped_prediction": lambda a, b, **h: losses.swapped_prediction(
        torch.stack([a, b]), losses.sinkhorn(a)[None], temperature=0.1, **h
    ),
    "byol": losses.byol,
    "alignment": losses.alignment,
    "uniformity": lambda a, b: losses.uniformity(torch.cat([a, b])),
}  # fmt: skip
WITH_T = ("nt_xent", "info_nce", "clip", "siglip", "sup_con", "dclw", "swapped_prediction")


def by_temperature(name, T):
    calls = {
        "nt_xent": lambda: losses.nt_xent(Z, temperature=T), "info_nce": lambda: losses.info_nce(A, B, temperature=T),
        "clip": lambda: losses.clip(A, B, temperature=T),
        "siglip": lambda: losses.siglip(A, B, temperature=T, bias=0.0),
        "sup_con": lambda: losses.sup_con(A, LONG // 2, temperature=T), "dclw": lambda: losses.dclw(Z, temperature=T),
        "swapped_prediction": lambda: losses.swapped_prediction(SCORES, CODES, temperature=T),
    }  # fmt: skip
    return calls[name]()


def test_every_loss_is_here():
    assert set(ROWS) == set(losses.__all__) - {"Guide", "chance", "explain", "sinkhorn"}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(("what", "change"), {
    "no rows": lambda x: x[:0], "no width": lambda x: x[:, :0], "integers": lambda x: (3 * x).long(),
    "booleans": lambda x: x > 0, "complex": lambda x: x.to(torch.complex64), "a vector": lambda x: x[0],
}.items(), ids=lambda case: case if isinstance(case, str) else "")  # fmt: skip
def test_rows_that_are_none_are_refused(name, what, change):
    if (name, what) == ("swapped_prediction", "no rows"):
        pytest.skip("its codes would be none either; see WRONG")
    with pytest.raises(ValueError, match=r"must|need"):
        ROWS[name](change(A), change(B))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ROWS)
def test_half_rows_give_what_their_wide_copies_give(name, dtype):
    a, b = A.to(dtype).requires_grad_(), B.to(dtype)
    loss = ROWS[name](a, b)
    torch.testing.assert_close(loss, ROWS[name](a.detach().float(), b.float()))
    loss.backward()
    assert a.grad.dtype == dtype and bool(a.grad.isfinite().all())


@pytest.mark.parametrize("engine_too", [False, True])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ROWS)
def test_rows_that_are_not_finite_give_no_finite_loss(name, value, engine_too, monkeypatch):
    if engine_too:
        monkeypatch.setattr("kontrast.losses.engine.small_batch.LARGEST_ROWS", 0)
    a = A.float()
    a[2, 1] = value
    assert not math.isfinite(float(ROWS[name](a, B.float())))


def test_a_row_too_long_for_its_dtype_is_not_taken_for_zero():
    for name in ("nt_xent", "clip", "byol", "siglip"):
        assert not math.isfinite(float(ROWS[name](1e30 * A.float(), B.float())))


@pytest.mark.parametrize("name", ROWS)
def test_one_row(name):
    a, b = A[:1].clone().requires_grad_(), B[:1]
    if name in ("nt_xent", "clip", "dclw", "barlow_twins"):
        with pytest.raises(ValueError, match="2"):
            ROWS[name](a, b)
        return
    loss = ROWS[name](a, b)
    loss.backward()
    assert math.isfinite(float(loss.detach())) and bool(a.grad.isfinite().all())
    if name == "info_nce":
        assert float(loss.detach()) == 0.0 == losses.chance("info_nce", keys=1)


@pytest.mark.parametrize("name", WITH_T)
@pytest.mark.parametrize("value", [0.0, -0.1, math.nan, math.inf, 1e-40])
def test_temperatures_that_are_none_are_refused(name, value):
    for temperature in (value, torch.tensor(value), torch.tensor([value], dtype=torch.float64, requires_grad=True)):
        with pytest.raises(ValueError, match="temperature must be > 0"):
            by_temperature(name, temperature)


@pytest.mark.parametrize("name", WITH_T)
def test_any_number_is_a_temperature(name):
    half = by_temperature(name, 0.5)
    for T in (torch.tensor(0.5, dtype=torch.float16), torch.tensor([0.5]), torch.tensor([[0.5]]).double()):
        torch.testing.assert_close(by_temperature(name, T), half)
    torch.testing.assert_close(by_temperature(name, torch.tensor(2)), by_temperature(name, 2.0))


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize(("tau_plus", "beta"), [(0.0, 0.0), (0.1, 0.0), (0.0, 1.0), (0.999999, 1.0)])
@pytest.mark.parametrize("views", [2, 3])
def test_no_negative_left_among_added_ones_either(similarity, decoupled, tau_plus, beta, views):
    """`--same` with `random:N` gets there."""
    if tau_plus and similarity != "cosine":
        return
    z, more = made(views, 4, 4).requires_grad_(), made(3, 4, key="more").requires_grad_()
    how = {"temperature": 0.3, "similarity": similarity, "decoupled": decoupled, "tau_plus": tau_plus, "beta": beta}
    for own in (None, made(views, 4, 0, 4)):
        loss = losses.nt_xent(z, ids_B=torch.ones(4).long(), negatives_KD=more, negative_ids_K=torch.ones(3).long(),
                              own_negatives=own, reduction="none", **how)  # fmt: skip
        if views == 2 or decoupled:
            assert bool((loss == 0).all())
        else:
            assert float(loss.detach().min()) >= math.log(2) - 1e-12
        for slope in torch.autograd.grad(loss.sum(), (z, more)):
            assert bool(slope.isfinite().all())
            assert views > 2 or bool((slope == 0).all())


def test_a_weighted_positive_without_negatives_counts_nothing():
    z = Z.clone().requires_grad_()
    loss = losses.dclw(z, temperature=0.1, ids_B=ONE)
    loss.backward()
    assert float(loss.detach()) == 0.0 and float(z.grad.abs().max()) == 0.0
    assert "counts 0" in losses.explain("dclw", Z, ids_B=ONE)


def test_debiased_at_the_very_edge_of_its_clamp_has_a_finite_gradient():
    """One negative as close as the positive: what is left is tau_plus' share of nothing, to the last bit."""
    for tau_plus in (0.5, 0.5 + 1e-16, 0.5 - 1e-16, 0.9999999999999999):
        for nudge in (0.0, 1e-16, -1e-16, 1e-9):
            x = torch.tensor([[1.0, 0.0], [1.0 + nudge, nudge]], dtype=torch.float64, requires_grad=True)
            loss = losses.info_nce(x[:1], x, temperature=0.5, tau_plus=tau_plus)
            (slope,) = torch.autograd.grad(loss, x)
            assert math.isfinite(float(loss.detach())) and bool(slope.isfinite().all())


def test_sup_con_without_a_positive_is_zero_and_says_so():
    a = A.clone().requires_grad_()
    loss = losses.sup_con(a, LONG, temperature=0.1)
    loss.backward()
    assert float(loss.detach()) == 0.0 == losses.chance("sup_con", rows=6, label_N=LONG)
    assert float(a.grad.abs().max()) == 0.0


def test_equal_rows_attract_nothing_whatever_the_exponent():
    for exponent in (0.1, 0.5, 1.0, 2.0, 3.0):
        a = A.float().requires_grad_()
        loss = losses.alignment(a, A.float(), exponent=exponent)
        loss.backward()
        assert float(loss.detach()) == 0.0 and bool(a.grad.isfinite().all())
    close = losses.alignment(A, A + 1e-7 * B, exponent=1.0)
    unit = [torch.nn.functional.normalize(x) for x in (A, A + 1e-7 * B)]
    torch.testing.assert_close(close, (unit[0] - unit[1]).norm(dim=1).mean(), rtol=1e-6, atol=0)


def test_a_guide_that_leaves_out_all_or_knows_nothing():
    everything, nothing = Guide(A, A, 3.0), Guide(torch.zeros(6, 2), torch.zeros(6, 2), 3.0)
    for loss in (lambda g, x: losses.nt_xent(x, temperature=0.2, guide=g),
                 lambda g, x: losses.clip(x[0], x[1], temperature=0.2, guide=g),
                 lambda g, x: losses.info_nce(x[0], x[1], temperature=0.2, guide=g)):  # fmt: skip
        z = Z.clone().requires_grad_()
        none = loss(everything, z)
        none.backward()
        assert float(none.detach()) == 0.0 and float(z.grad.abs().max()) == 0.0
        torch.testing.assert_close(loss(nothing, Z), loss(None, Z))


NAN_GUIDE = Guide(A.where(A > -9, A) / 0.0 * 0.0, A)
WRONG = {
    "positive_Q must be columns": lambda: losses.info_nce(A, B, LONG - 1, temperature=0.1),
    "0 to 5, got 1 to 6": lambda: losses.info_nce(A, B, LONG + 1, temperature=0.1),
    "positive_Q is about": lambda: losses.info_nce(A, B, LONG, positive_QD=A, temperature=0.1),
    "guide is about": lambda: losses.info_nce(A, B, positive_QD=A, guide=Guide(A, A), temperature=0.1),
    "guide needs a row": lambda: losses.clip(A, B, guide=Guide(A[:3], A), temperature=0.1),
    "guide_key_KG must have the width": lambda: losses.clip(A, B, guide=Guide(A, A[:, :2]), temperature=0.1),
    "query_QG must be finite": lambda: losses.nt_xent(Z, guide=NAN_GUIDE, temperature=0.1),
    "guide's margin": lambda: losses.nt_xent(Z, guide=Guide(A, A, math.nan), temperature=0.1),
    "ids_B must be .* got torch.bool": lambda: losses.nt_xent(Z, ids_B=LONG > 2, temperature=0.1),
    "groups_B must be .* list": lambda: losses.clip(A, B, groups_B=[1, 2, 3, 4, 5, 6], temperature=0.1),
    "query_ids are compared": lambda: losses.info_nce(A, B, query_ids_Q=LONG, temperature=0.1),
    "key_groups are compared": lambda: losses.info_nce(A, B, key_groups_K=LONG, temperature=0.1),
    "negatives_KD were not given": lambda: losses.nt_xent(Z, ids_B=LONG, negative_ids_K=LONG, temperature=0.1),
    "ids of the rows were": lambda: losses.nt_xent(
        Z, rows=slice(0, 3), negatives_KD=A, negative_ids_K=LONG, temperature=0.1
    ),
    "negatives_KD must have the width": lambda: losses.nt_xent(Z, negatives_KD=A[:, :2], temperature=0.1),
    "own_negatives must be .*6, 'M', 4": lambda: losses.info_nce(A, B, own_negatives=Z, temperature=0.1),
    "own_negatives must be .* got torch.int64": lambda: losses.info_nce(
        A, B, own_negatives=A[:, None].long(), temperature=0.1
    ),
    "negatives_KD .Q, M, D. are": lambda: losses.info_nce(
        A, B, negatives_KD=A[:, None], own_negatives=A[:, None], temperature=0.1
    ),
    "rows must be a slice": lambda: losses.byol(A, B, rows=3),
    "beta sharpens": lambda: losses.clip(A, B, temperature=0.1, beta=math.inf),
    "beta .* got nan": lambda: losses.clip(A, B, temperature=0.1, beta=math.nan),
    "tau_plus .* got nan": lambda: losses.clip(A, B, temperature=0.1, tau_plus=math.nan),
    "one number, got a tensor of torch.bool": lambda: losses.clip(A, B, temperature=torch.tensor(True)),
    "bias must be one number": lambda: losses.siglip(A, B, temperature=0.1, bias=torch.zeros(2)),
    "bias must be finite": lambda: losses.siglip(A, B, temperature=0.1, bias=math.nan),
    "sigma must be > 0 and finite": lambda: losses.dclw(Z, temperature=0.1, sigma=math.inf),
    "similar must be 0 or 1, got -1": lambda: losses.margin(A, B, LONG - 1),
    "margin must be > 0 and finite": lambda: losses.margin(A, B, LONG > 2, margin=math.nan),
    "margin must be at most 2": lambda: losses.margin(A, B, LONG > 2, margin=2.5, similarity="cosine"),
    "off_diagonal_weight must": lambda: losses.barlow_twins(A, B, off_diagonal_weight=-1.0),
    "exponent must be > 0 and finite": lambda: losses.alignment(A, B, exponent=math.inf),
    "t must be > 0": lambda: losses.uniformity(A, t=math.nan),
    "scores .* must not be empty": lambda: losses.swapped_prediction(SCORES[:, :0], CODES[:, :0], temperature=0.1),
    "codes must be a float": lambda: losses.swapped_prediction(SCORES, CODES.long(), temperature=0.1),
    "scores must be a float": lambda: losses.sinkhorn(A.long()),
    "queue_scores must have the width": lambda: losses.sinkhorn(A, queue_scores_NK=A[:, :2]),
    "batch must be at least 2": lambda: losses.chance("barlow_twins", batch=1, width=3),
    "rows must be at least 2": lambda: losses.chance("sup_con", rows=1),
    "prototypes must be": lambda: losses.chance("swapped_prediction", prototypes=0),
    "keys must hold": lambda: losses.chance("info_nce", keys=0),
    "similar is a share": lambda: losses.chance("margin", similar=1.5),
}


@pytest.mark.parametrize("said", WRONG)
def test_what_means_nothing_is_refused_by_name(said):
    with pytest.raises(ValueError, match=said) as told:
        WRONG[said]()
    assert len(str(told.value)) < 300


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_guessing_is_the_loss_at_equal_similarities(data):
    """In any configuration: names, more negatives of which some are masked, guides, several views, hardness."""
    V, size = data.draw(st.integers(2, 4)), data.draw(st.integers(2, 6))
    names = st.none() | st.lists(st.integers(0, 3), min_size=size, max_size=size).map(torch.tensor)
    ids, groups, decoupled = data.draw(names), data.draw(names), data.draw(st.booleans())
    row = data.draw(st.sampled_from([made(1, 3, key="row"), torch.zeros(1, 3).double()]))
    seed = data.draw(st.none() | st.integers(0, 99))
    guide = (
        None if seed is None else Guide(made(size, 2, key=f"q{seed}"), made(size, 2, key=f"k{seed}"), seed % 3 - 1.0)
    )
    hard = data.draw(st.sampled_from([{}, {"tau_plus": 0.3}, {"beta": 1.5}, {"tau_plus": 0.9, "beta": 0.1}]))
    more = data.draw(st.lists(st.integers(0, 3), max_size=4).map(lambda x: torch.tensor(x, dtype=torch.int64)))
    own, flat, T = data.draw(st.integers(0, 2)), row.expand(size, 3), 0.4
    named = {"ids_B": ids, "groups_B": groups}
    left = torch.full((size,), len(more)) if ids is None else (ids[:, None] != more).sum(1)
    added = {"negatives_KD": row.expand(len(more), 3), "negative_ids_K": None if ids is None else more}

    found = losses.nt_xent(
        flat.expand(V, -1, -1), temperature=T, decoupled=decoupled, guide=guide, **named, **added,
        own_negatives=row.expand(V, size, own, 3), **hard,
    )  # fmt: skip
    said = losses.chance(
        "nt_xent", batch=size, views=V, negatives=left + own, decoupled=decoupled, guide=guide, **named
    )
    assert float(found) == pytest.approx(said, abs=1e-9)
    found = losses.clip(flat, flat, temperature=T, decoupled=decoupled, guide=guide, **named, **hard)
    assert float(found) == pytest.approx(
        losses.chance("clip", batch=size, decoupled=decoupled, guide=guide, **named), abs=1e-9
    )
    found = losses.info_nce(
        flat, row.expand(len(more), 3), positive_QD=flat, temperature=T, decoupled=decoupled, query_ids_Q=ids,
        key_ids_K=None if ids is None else more, negatives_KD=row.expand(size, own, 3), **hard,
    )  # fmt: skip
    said = losses.chance("info_nce", keys=left, negatives=own, own_positive=True, decoupled=decoupled)
    assert float(found) == pytest.approx(said, abs=1e-9)
    found = losses.dclw(flat.expand(2, -1, -1), temperature=T, **named)
    assert float(found) == pytest.approx(losses.chance("dclw", batch=size, **named), abs=1e-9)
    zero = torch.zeros(size, 3).double()
    found = losses.siglip(flat, zero, temperature=T, bias=seed or -2.0, **named)
    assert float(found) == pytest.approx(losses.chance("siglip", batch=size, bias=seed or -2.0, **named), abs=1e-9)
    labels = torch.arange(size) if ids is None else ids
    found = losses.sup_con(flat, labels, temperature=T)
    assert float(found) == pytest.approx(losses.chance("sup_con", rows=size, label_N=labels), abs=1e-9)
    similar, wide = torch.arange(size) < len(more), data.draw(st.sampled_from([0.5, 2.0]))
    share = float(similar.double().mean())
    apart = flat + torch.tensor([[(1 - share) * wide, 0.0, 0.0]]).double()  # the best of one distance for all
    found = losses.margin(flat, apart, similar, margin=wide)
    assert float(found) == pytest.approx(losses.chance("margin", similar=share, margin=wide), abs=1e-9)
