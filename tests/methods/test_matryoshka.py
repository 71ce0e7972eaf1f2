"""Widths: the mean of the method's loss over all of them, each sample encoded once, the twin too."""

import copy

import pytest
import torch
from torch import nn

from kontrast import methods
from kontrast.encoders.norm import BatchNorm
from kontrast.errors import Unfit
from kontrast.methods.matryoshka import laid_over
from kontrast.methods.method import Progress
from kontrast.training import chunks
from kontrast.verify import tiny_methods

PLAIN = {
    "simclr": {"negatives": "mixed:4"}, "swav": {"queue": 0}, "barlow-twins": {}, "clip": {},
    "simcse": {"negatives": ""}, "moco": {}, "byol": {},
}  # fmt: skip
WITHOUT_TWIN = [name for name in PLAIN if name not in ("moco", "byol")]


def made(name, norm="batch", **more):
    made_by, _ = methods.load(name)
    encoder = tiny_methods.encoder_for(name, norm, dropout=0.0)
    config = methods.configured(name, {**tiny_methods.numbers_of(name), **PLAIN[name], **more})
    torch.manual_seed(0)
    return made_by(encoder, encoder.width, config, seed=1).double().train()


class Cut(nn.Module):
    """An encoder whose later columns are zero: what a width means, written down once more."""

    def __init__(self, encoder, width):
        super().__init__()
        self.inner, self.columns = encoder, width

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.inner, name)

    def _cut(self, found):
        return found * (torch.arange(found.shape[-1]) < self.columns)

    def forward(self, *given):
        return self._cut(self.inner(*given))

    def encode_text(self, words):
        return self._cut(self.inner.encode_text(words))


@pytest.mark.parametrize("name", WITHOUT_TWIN)
def test_loss_and_gradient_are_the_means_over_encoders_cut_to_each_width(name):
    plain, batch = made(name), tiny_methods.batch(name, 0)
    over = laid_over(copy.deepcopy(plain), plain.encoder.width, (3, 5))
    found = over.compare(over.embed(batch).joined())
    found.loss.backward()
    losses, total = [], {}
    for width in (3, 5, plain.encoder.width):
        one = copy.deepcopy(plain)
        one.encoder = Cut(one.encoder, width)
        losses.append(one.compare(one.embed(batch)).loss)
        losses[-1].backward()
        for key, parameter in one.named_parameters():
            key = key.replace("encoder.inner.", "encoder.")
            total[key] = total.get(key, 0) + (0 if parameter.grad is None else parameter.grad) / 3
    torch.testing.assert_close(found.loss, sum(losses) / 3, rtol=1e-12, atol=1e-12)
    for key, parameter in over.method.named_parameters():
        if parameter.requires_grad:
            own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            torch.testing.assert_close(own, total[key] + torch.zeros_like(parameter), rtol=1e-9, atol=1e-12)
    assert (
        found.pair[0].shape[-1]
        == copy.deepcopy(plain).embed(batch).roles["views" if name != "clip" else "image"].shape[-1]
    )


@pytest.mark.parametrize("name", PLAIN)
def test_each_sample_is_encoded_once_and_statistics_move_once(name):
    plain, over, batch = made(name), None, tiny_methods.batch(name, 0)
    over = laid_over(copy.deepcopy(plain), plain.encoder.width, (3, 5))
    calls = []
    for part in over.method.modules():
        if isinstance(part, BatchNorm) or part is over.method.encoder:
            part.register_forward_pre_hook(lambda part, given: calls.append(part))
    once = plain.embed(batch)
    whole = over.embed(batch)
    before = {key: value for key, value in plain.state_dict().items() if "running" in key or "tracked" in key}
    after = over.state_dict()
    assert before.keys() <= after.keys() and all(torch.equal(value, after[key]) for key, value in before.items())
    width = plain.encoder.width
    for role, value in once.roles.items():
        torch.testing.assert_close(whole.roles[f"{width} columns {role}"], value, rtol=0, atol=0)
    if name in ("moco", "byol"):
        role = "key" if name == "moco" else "target"
        assert torch.equal(whole.roles[f"3 columns {role}"], whole.roles[f"{width} columns {role}"])
        others = "query" if name == "moco" else "prediction"
        assert not torch.equal(whole.roles[f"3 columns {others}"], whole.roles[f"{width} columns {others}"])


@pytest.mark.parametrize("name", ["moco", "byol", "simclr"])
def test_the_methods_memory_and_what_is_stored_are_its_own(name):
    plain = made(name)
    over = laid_over(plain, plain.encoder.width, (3,))
    batch = tiny_methods.batch(name, 0)
    names = list(plain.state_dict())
    assert list(over.state_dict()) == names and over.encoder is plain.encoder
    outcome = over.compare(over.embed(batch))
    again = over.compare(over.embed(batch))
    assert torch.equal(outcome.loss, again.loss)  # pure
    over.after_step(outcome, Progress(1, 20))
    if name == "moco":
        assert int(plain.negatives.queue.pushed) == len(batch.ids_B)
    over.load_state_dict(over.state_dict())


@pytest.mark.parametrize("name", PLAIN)
def test_a_batch_in_pieces_has_the_gradient_of_the_whole(name):
    gradients = []
    for size in (0, 7):
        over = laid_over(made(name, norm="group"), made(name).encoder.width, (3, 5))
        batch = tiny_methods.batch(name, 0)
        if size:
            with chunks.cut(chunks.by_rows(over), size):
                over.compare(over.embed(batch)).loss.backward()
        else:
            over.compare(over.embed(batch)).loss.backward()
        gradients.append({key: p.grad for key, p in over.method.named_parameters() if p.grad is not None})
    whole, pieces = gradients
    assert whole.keys() == pieces.keys() and whole
    for key, gradient in whole.items():
        torch.testing.assert_close(pieces[key], gradient, rtol=1e-10, atol=1e-12)


def test_what_has_no_narrower_form_is_refused():
    for name, more in (("simclr", {"negatives": "queue:40"}), ("swav", {"queue": 40, "queue_from": 0.0})):
        with pytest.raises(Unfit, match="a queue would hold the whole width"):
            laid_over(made(name, **more), 10, (3,))
    with pytest.raises(Unfit, match="have 10 columns, and 11 is more"):
        laid_over(made("simclr"), 10, (3, 11))
    plain = made("simclr")
    assert laid_over(plain, 10, ()) is plain
