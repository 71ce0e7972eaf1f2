import torch

from kontrast.positives.novel_views import sampling


def test_distances_grow_to_far_away():
    s = torch.linspace(0, 1, 200)[None]
    away = sampling.distance(s, torch.tensor([[10.0]]))[0]
    assert away[0] == 0 and (away.diff() > 0).all() and away[-1] > 400
    torch.testing.assert_close(
        away[s[0] <= sampling.EVEN].diff(dim=0, n=2).abs().max(), torch.tensor(0.0), atol=1e-4, rtol=0
    )


def test_edges_gather_where_the_weight_is():
    edge_BG = torch.linspace(0, 1, 11)[None]
    weight_BG = torch.zeros(1, 10)
    weight_BG[0, 6] = 1.0
    edges = sampling.quantiles(edge_BG, weight_BG, 32, torch.full((1, 1), 0.5))[0]
    assert (edges.diff() >= 0).all()
    assert ((edges >= 0.5) & (edges <= 0.8)).float().mean() > 0.95  # the interval and its neighbours
    assert ((edges >= 0.6) & (edges <= 0.7)).float().mean() > 0.4


def test_without_any_weight_edges_go_everywhere():
    edge_BG = torch.linspace(0, 1, 11)[None]
    edges = sampling.quantiles(edge_BG, torch.zeros(1, 10), 20, torch.full((1, 1), 0.5))[0]
    torch.testing.assert_close(edges.diff(), torch.full((20,), 1 / 21), atol=1e-5, rtol=0)


def test_even_edges_move_by_half_an_interval_at_most():
    edges = sampling.even(10, torch.tensor([[0.0], [0.999]]))
    assert edges.min() == 0 and edges.max() == 1
    assert (edges - torch.linspace(0, 1, 11)).abs().max() <= 0.05 + 1e-6
