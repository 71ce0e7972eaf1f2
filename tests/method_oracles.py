"""Each paper's step in plain float64 arithmetic, sharing no code with the package: forward, loss, memory, in its order.

A network is a dict of tensors by the names of the module's state dict. `tiny` is the encoder of the tests: the mean
over the last axis, then Linear, BatchNorm, ReLU. Each class holds a method's memory; `step` returns loss and gradients,
and moves weights by plain gradient descent and memory as the official code does.
"""

import math

import torch


def unit(x):
    return x / (x * x).sum(-1, keepdim=True).sqrt()


def batch_norm(x, scale, shift, group_of_row=None):
    if group_of_row is None:
        group_of_row = torch.zeros(len(x), dtype=torch.int64)
    y = torch.empty_like(x)
    for g in group_of_row.unique():
        part = x[group_of_row == g]
        mean = part.sum(0) / len(part)
        variance = ((part - mean) ** 2).sum(0) / len(part)
        y[group_of_row == g] = (part - mean) / (variance + 1e-5).sqrt()
    y = y if scale is None else y * scale
    return y if shift is None else y + shift


def layers(x, net, prefix, kinds, group_of_row=None):
    """`kinds`: what stands at each place of the Sequential: L linear, N norm, R relu."""
    for place, kind in enumerate(kinds):
        weight, bias = (net.get(f"{prefix}{place}.{name}") for name in ("weight", "bias"))
        if kind == "L":
            x = x @ weight.T
            x = x if bias is None else x + bias
        elif kind == "N":
            x = batch_norm(x, weight, bias, group_of_row)
        else:
            x = x * (x > 0)
    return x


def tiny(x, net, prefix, group_of_row=None):
    return layers(x.mean(-1), net, prefix + "layers.", "LNR", group_of_row)


def descend(net, loss, lr, skip=()):
    """Gradients by name, after which every weight moves against its own; names in `skip` stand still."""
    trained = {name: value for name, value in net.items() if value.requires_grad}
    gradients = dict(zip(trained, torch.autograd.grad(loss, trained.values(), allow_unused=True)))
    with torch.no_grad():
        for name, value in trained.items():
            if not name.startswith(tuple(skip) or ("\0",)) and gradients[name] is not None:
                value -= lr * gradients[name]
    return gradients


class SimCLR:
    def __init__(self, net, temperature):
        self.net, self.temperature = net, temperature

    def step(self, views, ids, number, total, lr):
        h = tiny(torch.cat(views), self.net, "encoder.")
        z = unit(layers(h, self.net, "projector.", "LNRLN"))
        B = len(ids)
        s = z @ z.T / self.temperature
        losses = []
        for i in range(2 * B):
            others = [j for j in range(2 * B) if j != i]
            losses.append(-s[i, (i + B) % (2 * B)] + s[i, others].exp().sum().log())
        loss = sum(losses) / (2 * B)
        return loss.detach(), descend(self.net, loss, lr)


class MoCo:
    """In the official order: queries, twin moves, keys, logits against the old queue, enqueue (then the optimizer)."""

    def __init__(self, net, twin, queue, kinds, temperature, momentum, symmetric):
        self.net, self.twin, self.kinds = net, twin, kinds
        self.queue, self.names, self.pointer = queue, torch.full((len(queue),), -1), 0
        self.temperature, self.momentum, self.symmetric = temperature, momentum, symmetric

    def encode(self, x, net, prefixes, groups):
        return unit(layers(tiny(x, net, prefixes[0], groups), net, prefixes[1], self.kinds, groups))

    def step(self, views, ids, number, total, lr, query_groups, key_groups):
        """key_groups: the BatchNorm group of each row, for each key view."""
        with torch.no_grad():
            for name, value in self.twin.items():
                online = self.net[name.replace("0.", "encoder.", 1) if name[0] == "0" else "projector." + name[2:]]
                value.mul_(self.momentum).add_((1 - self.momentum) * online)
            keys = [
                self.encode(view, self.twin, ("0.", "1."), groups)
                for view, groups in zip(views if self.symmetric else views[1:], key_groups)
            ]
        queries = [
            self.encode(view, self.net, ("encoder.", "projector."), query_groups)
            for view in (views if self.symmetric else views[:1])
        ]
        loss = 0.0
        for q, k in zip(queries, keys[::-1]):
            for i in range(len(ids)):
                allowed = self.names != ids[i]
                logits = torch.cat([(q[i] * k[i]).sum()[None], self.queue[allowed] @ q[i]]) / self.temperature
                loss = loss - logits[0] / len(ids) + logits.exp().sum().log() / len(ids)
        gradients = descend(self.net, loss, lr)
        queue, names = self.queue.clone(), self.names.clone()
        for k in keys:
            for row, name in zip(k, ids):
                queue[self.pointer], names[self.pointer] = row, name
                self.pointer = (self.pointer + 1) % len(queue)
        self.queue, self.names = queue, names
        return loss.detach(), gradients


class SwAV:
    """As the official main_swav.py: normalise prototypes, scores, codes with the queue in front, swapped prediction."""

    def __init__(self, net, temperature, epsilon, iterations, queue_length, queue_from, frozen):
        self.net, self.temperature, self.epsilon, self.iterations = net, temperature, epsilon, iterations
        self.queue_length, self.queue_from, self.frozen = queue_length, queue_from, frozen
        self.queues = [[], []]

    def sinkhorn(self, scores):
        q = (scores / self.epsilon).exp().T
        q = q / q.sum()
        K, B = q.shape
        for _ in range(self.iterations):
            q = q / q.sum(1, keepdim=True) / K
            q = q / q.sum(0, keepdim=True) / B
        return (q * B).T

    def step(self, views, ids, number, total, lr):
        name = "prototypes.0.weight"
        with torch.no_grad():
            self.net[name].copy_(unit(self.net[name]))
        self.at_start = self.net[name].detach().clone()
        B, h = len(ids), []
        for size in dict.fromkeys(view.shape[-1] for view in views):  # one forward pass a resolution
            h.append(tiny(torch.cat([v for v in views if v.shape[-1] == size]), self.net, "encoder."))
        z = unit(layers(torch.cat(h), self.net, "projector.", "LNRL"))
        scores = z @ self.net[name].T
        loss = 0.0
        for i in range(2):
            with torch.no_grad():
                out = scores[i * B : (i + 1) * B].detach()
                if len(self.queues[i]) >= self.queue_length:
                    out = torch.cat([torch.stack(self.queues[i][: self.queue_length]) @ self.net[name].T, out])
                q = self.sinkhorn(out)[-B:]
                if number >= self.queue_from * total:
                    self.queues[i] = [*z[i * B : (i + 1) * B].detach(), *self.queues[i]][: self.queue_length]
            part = 0.0
            for v in range(len(views)):
                if v != i:
                    x = scores[v * B : (v + 1) * B] / self.temperature
                    part = part - (q * (x - x.exp().sum(1, keepdim=True).log())).sum(1).mean()
            loss = loss + part / (len(views) - 1)
        loss = loss / 2
        return loss.detach(), descend(self.net, loss, lr, skip=(name,) if number < self.frozen else ())


class BYOL:
    def __init__(self, net, twin, momentum):
        self.net, self.twin, self.momentum = net, twin, momentum

    def step(self, views, ids, number, total, lr):
        projected = [layers(tiny(v, self.net, "encoder."), self.net, "projector.", "LNRL") for v in views]
        predicted = [layers(p, self.net, "predictor.", "LNRL") for p in projected]
        with torch.no_grad():
            target = [layers(tiny(v, self.twin, "0."), self.twin, "1.", "LNRL") for v in views]
        loss = 0.0
        for p, t in ((predicted[0], target[1]), (predicted[1], target[0])):
            loss = loss + ((unit(p) - unit(t)) ** 2).sum(1).mean()
        gradients = descend(self.net, loss, lr)
        tau = 1 - (1 - self.momentum) * (math.cos(math.pi * number / total) + 1) / 2
        with torch.no_grad():
            for name, value in self.twin.items():
                online = self.net[name.replace("0.", "encoder.", 1) if name[0] == "0" else "projector." + name[2:]]
                value += (1 - tau) * (online - value)
        return loss.detach(), gradients


class BarlowTwins:
    def __init__(self, net, weight):
        self.net, self.weight = net, weight

    def step(self, views, ids, number, total, lr):
        first, second = (
            batch_norm(layers(tiny(v, self.net, "encoder."), self.net, "projector.", "LNRLNRL"), None, None)
            for v in views
        )
        c = first.T @ second / len(ids)
        loss = 0.0
        for i in range(len(c)):
            for j in range(len(c)):
                loss = loss + ((c[i, i] - 1) ** 2 if i == j else self.weight * c[i, j] ** 2)
        return loss.detach(), descend(self.net, loss, lr)
