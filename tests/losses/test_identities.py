"""What must hold whatever the numbers: limits, invariances, and the identities between losses."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.losses.loss_cases import SIMILARITIES, made

from kontrast import losses
from kontrast.losses.engine import tiled

same = torch.testing.assert_close


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_nt_xent_is_softplus_of_the_decoupled_loss(engine, similarity):
    z = made(1, 8, 5) + 0.3 * made(2, 8, 5)
    options = {"temperature": 0.2, "similarity": similarity, "reduction": "none"}
    decoupled = losses.nt_xent(z, decoupled=True, **options)
    same(losses.nt_xent(z, **options), torch.nn.functional.softplus(decoupled, threshold=1e9))
    assert float(decoupled.min()) < 0  # it may be negative; the other may not


def test_hardness_of_zero_is_nt_xent(engine):
    z = made(2, 8, 5)
    same(losses.nt_xent(z, temperature=0.5, beta=1e-9), losses.nt_xent(z, temperature=0.5), rtol=1e-7, atol=1e-7)
    same(losses.nt_xent(z, temperature=0.5, tau_plus=1e-9), losses.nt_xent(z, temperature=0.5), rtol=1e-7, atol=1e-7)


def test_a_clamped_row_gives_its_negatives_no_gradient():
    z = torch.eye(4, dtype=torch.float64)[:, :2].repeat(2, 1, 1).requires_grad_()
    found = {}
    losses.nt_xent(z, temperature=0.1, tau_plus=0.1, diagnostics=found, ids_B=torch.tensor([0, 1, 2, 2])).backward()
    assert float(found["clamp_rate"]) > 0


@pytest.mark.parametrize("engine_free_T", [0.7, 0.05])
def test_squared_euclidean_on_unit_rows_is_cosine_at_half_the_temperature(engine, engine_free_T):
    z = torch.nn.functional.normalize(made(3, 6, 5), dim=-1)
    same(losses.nt_xent(z, temperature=engine_free_T, similarity="squared_euclidean"),
         losses.nt_xent(z, temperature=engine_free_T / 2))  # fmt: skip


def test_clip_is_the_mean_of_two_info_nces(engine):
    a, b = made(7, 4), made(7, 4, key="b")
    each = losses.info_nce(a, b, temperature=0.1), losses.info_nce(b, a, temperature=0.1)
    same(losses.clip(a, b, temperature=0.1), sum(each) / 2)


def test_nt_xent_is_sup_con_with_samples_as_labels(engine):
    z = made(3, 6, 4)
    same(
        losses.nt_xent(z, temperature=0.2), losses.sup_con(z.flatten(0, 1), torch.arange(6).repeat(3), temperature=0.2)
    )


@pytest.mark.parametrize("similarity", SIMILARITIES)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(V=st.integers(2, 4), B=st.integers(2, 9), D=st.integers(1, 6), tile=st.integers(1, 8), seed=st.integers(0, 99))
def test_any_shape_and_tiling(similarity, V, B, D, tile, seed):
    """Order of samples and of views, rotation, and the cut into tiles change nothing; decoupled by a plain table."""
    z = made(V, B, D, key=f"seed {seed}")
    options = {"temperature": 0.3, "similarity": similarity}
    plain = losses.nt_xent(z, reduction="none", **options)
    order = torch.randperm(B, generator=torch.Generator().manual_seed(seed))
    same(losses.nt_xent(z[:, order], reduction="none", **options), plain[:, order])
    same(losses.nt_xent(z.flip(0), reduction="none", **options), plain.flip(0))
    rotation = torch.linalg.qr(made(D, D, key=f"turn {seed}")).Q
    same(losses.nt_xent(z @ rotation, reduction="none", **options), plain)
    if similarity == "cosine":
        same(losses.nt_xent(z * torch.arange(1, B + 1)[:, None], reduction="none", **options), plain)
    ids = torch.arange(B) * 3 + 5
    same(losses.nt_xent(z, ids_B=ids, reduction="none", **options), plain)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiled, "LONGEST", {"cpu": tile})
        patch.setattr(tiled, "TILE_ENTRIES", {"cpu": tile * (1 + tile // 2)})
        same(losses.nt_xent(z, reduction="none", **options), plain)
        same(losses.clip(z[0], z[1], reduction="none", **options), losses_of_pairs(z, options))


def losses_of_pairs(z, options):
    forth = losses.info_nce(z[0], z[1], reduction="none", **options)
    return (forth + losses.info_nce(z[1], z[0], reduction="none", **options)) / 2


def test_a_row_with_no_negative_left_counts_nothing(engine):
    z = made(2, 5, 4).requires_grad_()
    everyone = torch.zeros(5, dtype=torch.int64)
    for decoupled in (False, True):
        loss = losses.nt_xent(z, temperature=0.1, ids_B=everyone, decoupled=decoupled, reduction="none")
        assert loss.tolist() == [[0.0] * 5] * 2
        (gradient,) = torch.autograd.grad(loss.sum(), z)
        assert float(gradient.abs().max()) == 0.0
        assert losses.chance("nt_xent", batch=5, ids_B=everyone, decoupled=decoupled) == 0.0


def test_keys_without_gradient_get_none():
    query, queue = made(4, 3).requires_grad_(), made(20, 3, key="queue")
    losses.info_nce(query, queue, positive_QD=made(4, 3, key="p"), temperature=0.1).backward()
    assert queue.grad is None and query.grad is not None
