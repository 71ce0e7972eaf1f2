"""A method holds to the contract of `methods.method`: on a made-up batch of a few rows, before any work is done.

embed       no row needs another: halves of a batch are embedded as the whole is (BatchNorm as in evaluation)
compare     pure: twice the same loss, and no tensor moves
parameters  each trained one is in exactly one group
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from kontrast import methods
from kontrast.errors import Unfit
from kontrast.methods.method import Batch, Embeddings, Group, Outcome, Progress
from kontrast.methods.outside import told
from kontrast.verify import tiny_methods
from kontrast.verify.findings import Finding


def check(names: Sequence[str] = tiny_methods.NAMES) -> list[Finding]:
    """How far a method is from what it promises; Unfit where a method from outside cannot be asked at all."""
    found = []
    for name in names:
        admitted(name)
        found += [
            Finding("contract", f"{name}: embed of halves - of the whole", by_halves(name), 1e-10),
            Finding("contract", f"{name}: loss of comparing twice differs by", twice(name)[0], 0),
            Finding("contract", f"{name}: tensors that comparing moves", twice(name)[1], 0),
            Finding("contract", f"{name}: parameters not in one group", ungrouped(name), 0),
        ]
    return found


def by_halves(name: str) -> float:
    """|embed(halves) - embed(whole)| / |embed(whole)|, over all roles."""
    method = tiny_methods.method(name).eval()
    whole = tiny_methods.batch(name, 0)
    cuts = slice(0, tiny_methods.ROWS // 2), slice(tiny_methods.ROWS // 2, tiny_methods.ROWS)
    with torch.no_grad():
        wanted = dict(method.embed(whole).roles)
        parts = [method.embed(tiny_methods.rows_of(whole, cut)).roles for cut in cuts]
    joined = {role: torch.cat([part[role] for part in parts], dim=-2) for role in wanted}
    return tiny_methods.distance(joined, wanted)


def twice(name: str) -> tuple[float, int]:
    """(difference of the losses of two comparisons of the same embeddings, tensors that they moved)."""
    method = tiny_methods.method(name)
    z = method.embed(tiny_methods.batch(name, 0)).joined()
    before = {key: tensor.clone() for key, tensor in method.state_dict().items()}
    losses = [float(method.compare(z).loss.detach()) for _ in range(2)]
    after = method.state_dict()
    return abs(losses[0] - losses[1]), sum(not torch.equal(before[key], after[key]) for key in before)


def ungrouped(name: str) -> int:
    """How many trained parameters are in no group, or in several."""
    method = tiny_methods.method(name)
    grouped = [id(p) for group in method.parameter_groups() for p in group.parameters]
    return sum(grouped.count(id(p)) != 1 for p in method.parameters() if p.requires_grad)


def admitted(name: str) -> tuple[str, ...]:
    """What is said of a method from outside before it is used; Unfit, in a sentence, where a verb fails or gives
    another thing than it should. Ours pass unasked."""
    outside = methods.entry(name).outside
    if outside is None:
        return ()
    file, class_name = outside.reference.rpartition(":")[0], outside.made_by.__name__

    def asked(what: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as problem:
            raise Unfit(f"--method {file}: {what} fails on a small made-up batch: {told(problem, file)}.") from problem

    made = asked(f"{class_name}(...)", lambda: tiny_methods.method(name, torch.float32))
    batch = tiny_methods.batch(name, 0, torch.float32)
    z = asked("embed", lambda: made.embed(batch))
    wrong = _embeddings(z, batch)
    if not wrong:
        outcome = asked("compare", lambda: made.compare(z.joined()))
        wrong = _outcome(outcome) or _groups(asked("parameter_groups", made.parameter_groups))
    if wrong:
        raise Unfit(f"--method {file}: {wrong}.")
    asked("after_step", lambda: made.after_step(outcome, Progress(1, tiny_methods.STEPS)))
    if twice(name) != (0.0, 0):
        raise Unfit(f"--method {file}: compare is not pure. What a method remembers belongs into after_step.")
    told_of = [f"method   {outside.reference}: your own code, SHA-256 {outside.sha256[:16]}"]
    told_of += [f"         {line}" for line in outside.messages]
    if outcome.guessing is None:
        told_of.append("         states no guessing value (Outcome.guessing): the loss is shown without it")
    return tuple(told_of)


def _embeddings(z: Any, batch: Batch) -> str:
    """What is wrong with the answer of `embed`; nothing if it is right."""
    if not isinstance(z, Embeddings):
        return f"embed must return Embeddings (Embeddings.of(batch, features, NAME=rows)), got {type(z).__name__}"
    rows = len(batch.ids_B)
    for role, tensor in z.roles.items():
        if tensor.ndim < 2 or tensor.shape[-2] != rows:
            return f"embed's role {role!r} must be (..., B, D) with B = {rows} rows, got {tuple(tensor.shape)}"
    return ""


def _outcome(outcome: Any) -> str:
    """The same of `compare`."""
    if not isinstance(outcome, Outcome):
        return f"compare must return an Outcome, got {type(outcome).__name__}"
    loss: Any = outcome.loss
    guessing: Any = outcome.guessing
    if not isinstance(loss, Tensor) or loss.ndim or not loss.requires_grad:
        return "compare's loss must be one number, with a gradient"
    if not torch.isfinite(loss):
        return f"compare's loss is {float(loss)} on random rows"
    if guessing is not None and not isinstance(guessing, float):
        return f"compare's guessing must be a float, or None where it is not known, got {guessing!r}"
    first, second = outcome.pair
    if first.ndim != 2 or first.shape != second.shape or first.requires_grad or second.requires_grad:
        return "compare's pair must be two (B, D) outputs of the same samples, detached"
    return ""


def _groups(groups: Any) -> str:
    """The same of `parameter_groups`."""
    if not isinstance(groups, list) or not all(isinstance(group, Group) for group in groups):
        return "parameter_groups must return a list of Group"
    return ""
