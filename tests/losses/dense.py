"""The losses from whole tables in float64, with boolean masks, a loop over rows and autograd: no code of kontrast.

Each takes raw rows and says the loss of each row; the fuzz compares values, shares of slices and every gradient.
"""

import math

import torch


def unit(x):
    length = x.square().sum(-1, keepdim=True)
    return torch.where(length > 0, x / length.where(length > 0, 1.0).sqrt(), torch.zeros_like(x))


def table(a, b, kind):
    """Similarity of every row of a with every row of b."""
    if kind == "cosine":
        return unit(a) @ unit(b).T
    if kind == "dot":
        return a @ b.T
    square = (a[:, None] - b[None]).square().sum(-1)
    if kind == "squared_euclidean":
        return -square
    return -torch.where(square > 0, square.where(square > 0, 1.0).sqrt(), torch.zeros_like(square))


def row_loss(positives, negatives, decoupled=False, tau=0.0, beta=0.0, temperature=1.0):
    """One row from its logits: the definition, written down."""
    n, mean = len(negatives), positives.mean()
    if n == 0:
        return 0.0 * mean if decoupled else positives.logsumexp(0) - mean
    if tau or beta:
        weights = (beta * negatives).exp()
        total = (weights / weights.mean() * negatives.exp()).sum()
        if tau:
            total = (total - tau * n * positives.exp().mean()) / (1 - tau)
            total = torch.maximum(total, n * torch.exp(torch.as_tensor(-1 / temperature, dtype=total.dtype)))
        log_negatives = total.log()
    else:
        log_negatives = negatives.logsumexp(0)
    if decoupled:
        return log_negatives - mean
    return torch.cat([positives, log_negatives[None]]).logsumexp(0) - mean


def same(a, b):
    """(A, B) bool: equal names; nobody where there are none."""
    return a[:, None] == b[None]


def too_close(guide, query_rows, key_rows, positive_rows):
    """What the guide leaves out: (Q, K) bool."""
    score = table(guide[0], guide[1], "cosine")
    limit = (unit(guide[0]) * unit(guide[1])[positive_rows]).sum(-1) - guide[2]
    known_query = guide[0].any(1) & guide[1][positive_rows].any(1)
    out = (score > limit[:, None]) & known_query[:, None] & guide[1].any(1)
    return out[query_rows][:, key_rows]


def nt_xent(z, T, kind, *, ids=None, groups=None, more=None, more_ids=None, own=None, guide=None, **how):
    V, B, D = z.shape
    rows, sample = z.reshape(V * B, D), torch.arange(B).repeat(V)
    logits, out = table(rows, rows, kind) / T, same(sample, sample)
    for names in (ids, groups):
        if names is not None:
            out |= same(names[sample], names[sample])
    if guide is not None:
        out |= too_close(guide, sample, sample, torch.arange(B))
    added = None if more is None else table(rows, more, kind) / T
    losses = []
    for i in range(V * B):
        partner = (sample == sample[i]) & (torch.arange(V * B) != i)
        negatives = [logits[i][~out[i]]]
        if added is not None:
            negatives.append(added[i] if more_ids is None else added[i][more_ids != ids[sample[i]]])
        if own is not None:
            negatives.append(table(rows[i : i + 1], own.reshape(V * B, -1, D)[i], kind)[0] / T)
        losses.append(row_loss(logits[i][partner], torch.cat(negatives), temperature=T, **how))
    return torch.stack(losses).reshape(V, B)


def info_nce(q, k, T, kind, *, positive=None, vectors=None, ids=None, groups=None, more=None, more_ids=None, own=None,
             guide=None, **how):  # fmt: skip
    """ids and groups: (of queries, of keys)."""
    Q, K = len(q), len(k)
    logits, out = table(q, k, kind) / T, torch.zeros(Q, K, dtype=torch.bool)
    places = torch.arange(Q) if positive is None else positive
    if vectors is None:
        out |= places[:, None] == torch.arange(K)
    for names in (ids, groups):
        if names is not None and names[1] is not None:
            out |= same(*names)
    if guide is not None:
        out |= too_close(guide, torch.arange(Q), torch.arange(K), places)
    losses = []
    for i in range(Q):
        own_logit = logits[i][places[i]] if vectors is None else table(q[i : i + 1], vectors[i : i + 1], kind)[0, 0] / T
        negatives = [logits[i][~out[i]]]
        if more is not None:
            logit = table(q[i : i + 1], more, kind)[0] / T
            negatives.append(logit if more_ids is None else logit[more_ids != ids[0][i]])
        if own is not None:
            negatives.append(table(q[i : i + 1], own[i], kind)[0] / T)
        losses.append(row_loss(own_logit[None], torch.cat(negatives), temperature=T, **how))
    return torch.stack(losses)


def clip(a, b, T, kind, *, ids=None, groups=None, guide=None, **how):
    names = {"ids": None if ids is None else (ids, ids), "groups": None if groups is None else (groups, groups)}
    back = None if guide is None else (guide[1], guide[0], guide[2])
    forth = info_nce(a, b, T, kind, guide=guide, **names, **how)
    return (forth + info_nce(b, a, T, kind, guide=back, **names, **how)) / 2


def siglip(a, b, T, bias, *, ids=None, groups=None):
    logits, itself = table(a, b, "cosine") / T + bias, torch.eye(len(a), dtype=torch.bool)
    out = torch.zeros_like(itself)
    for names in (ids, groups):
        if names is not None:
            out |= same(names, names)
    each = torch.where(itself, -torch.nn.functional.logsigmoid(logits), -torch.nn.functional.logsigmoid(-logits))
    return each.masked_fill(out & ~itself, 0.0).sum(1)


def dclw(z, T, sigma, *, ids=None, groups=None):
    B = z.shape[1]
    out = torch.eye(B, dtype=torch.bool)
    for names in (ids, groups):
        if names is not None:
            out |= same(names, names)
    cosine = (unit(z[0]) * unit(z[1])).sum(-1)
    weight = 2 - B * (cosine / sigma).softmax(0)
    keys, losses = z.reshape(2 * B, -1), []
    for v in range(2):
        for b in range(B):
            left = ~out[b].repeat(2)
            logits = table(z[v, b : b + 1], keys, "cosine")[0] / T
            losses.append(logits[left].logsumexp(0) - weight[b] * cosine[b] / T if left.any() else 0.0 * cosine[b])
    return torch.stack(losses).reshape(2, B)


def sup_con(rows, labels, T, kind):
    """The losses and which of them count."""
    logits, losses, counted = table(rows, rows, kind) / T, [], []
    for i in range(len(rows)):
        others = torch.arange(len(rows)) != i
        positive = others & (labels == labels[i])
        counted.append(bool(positive.any()))
        losses.append(
            logits[i][others].logsumexp(0) - logits[i][positive].mean() if counted[-1] else 0.0 * logits[i, i]
        )
    return torch.stack(losses), counted


def margin(a, b, similar, wide, kind):
    if kind == "cosine":
        apart = 1 - (unit(a) * unit(b)).sum(-1)
    else:
        square = (a - b).square().sum(-1)
        apart = torch.where(square > 0, square.where(square > 0, 1.0).sqrt(), torch.zeros_like(square))
        if kind == "euclidean":
            return torch.where(similar, square, (wide - apart).relu().square()) / 2
    return torch.where(similar, apart, (wide - apart).relu()).square() / 2


def barlow_twins(a, b, weight):
    a, b = ((x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt() for x in (a, b))
    cross = a.T @ b / len(a)
    on = (cross.diagonal() - 1).square().sum()
    return on + weight * (cross.square().sum() - cross.diagonal().square().sum())


def swapped_prediction(scores, codes, T):
    pairs = [(a, v) for a in range(len(codes)) for v in range(len(scores)) if a != v]
    return torch.stack([-(codes[a] * (scores[v] / T).log_softmax(-1)).sum(-1) for a, v in pairs]).mean(0)


def byol(p, z):
    return (unit(p) - unit(z)).square().sum(-1)


def alignment(a, b, exponent):
    return ((unit(a) - unit(b)).square().sum(-1)) ** (exponent / 2)


def uniformity(x, t):
    square = 2 - 2 * table(x, x, "cosine")
    i, j = torch.triu_indices(len(x), len(x), 1)
    return (-t * square[i, j]).logsumexp(0) - math.log(len(i))
