"""CLIP's arithmetic in float64 over several steps, its temperature, its masks, and what it may be composed with."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from kontrast.encoders.clip.towers import towers
from kontrast.methods.clip import CLIP, Config
from kontrast.methods.method import Batch, Embeddings, Progress

VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
TEXT = {"context_length": 6, "vocab_size": 40, "width": 16, "heads": 2, "layers": 1}
CONFIG = {"embed_dim": 12, "vision_cfg": VISION, "text_cfg": TEXT}
ROWS = 7


def made(**config):
    encoder = towers(CONFIG, seed=3).double()
    return CLIP(encoder, encoder.width, Config(**config))


def batch(step, groups=None):
    g = torch.Generator().manual_seed(step)
    pixels = torch.randn(ROWS, 3, 32, 32, generator=g, dtype=torch.float64)
    tokens = torch.randint(1, 38, (ROWS, 6), generator=g)
    tokens[:, 5] = 39
    return Batch((pixels, {"input_ids": tokens}), torch.arange(ROWS), step, 10, 0, groups)


def papers_loss(image, text, log_scale, same=None):
    """Figure 3 of the paper, a row at a time, masked pairs left out of both sums."""
    image, text = (rows / rows.norm(dim=1, keepdim=True) for rows in (image, text))
    total = torch.zeros((), dtype=torch.float64)
    for row in range(len(image)):
        others = [k for k in range(len(image)) if k == row or same is None or same[k] != same[row]]
        for query, keys in ((image, text), (text, image)):
            scores = torch.stack([math.e**log_scale * query[row] @ keys[k] for k in others])
            total = total - (scores[others.index(row)] - scores.exp().sum().log()) / 2
    return total / len(image)


@pytest.mark.parametrize("same", [None, [0, 1, 1, 3, 4, 1, 0]])
def test_five_steps_are_the_papers_in_float64(same):
    method, paper = made(), made()
    groups = None if same is None else torch.tensor(same)
    ours, theirs = (torch.optim.AdamW(m.parameters(), lr=0.05, weight_decay=0.0) for m in (method, paper))
    for step in range(5):
        seen = batch(step, groups)
        outcome = method.compare(method.embed(seen).joined())
        want = papers_loss(
            paper.encoder.visual(seen.views[0]), paper.encoder.text(seen.views[1]["input_ids"]),
            paper.encoder.logit_scale, same,
        )  # fmt: skip
        torch.testing.assert_close(outcome.loss, want, rtol=1e-10, atol=1e-11)
        for optimizer, loss in ((ours, outcome.loss), (theirs, want)):
            optimizer.zero_grad()
            loss.backward()
        scale = [m.encoder.logit_scale.grad for m in (method, paper)]
        torch.testing.assert_close(scale[0], scale[1], rtol=1e-8, atol=1e-10)
        ours.step(), theirs.step()
        method.after_step(outcome, Progress(step + 1, 10))
        with torch.no_grad():
            paper.encoder.logit_scale.clamp_(max=math.log(100))
    for name, value in paper.state_dict().items():
        torch.testing.assert_close(method.state_dict()[name], value, rtol=1e-6, atol=1e-8)


def loss_with(extra, image, text, log_scale, same, *, decoupled=False):
    """`papers_loss` with more candidates: extra = (texts, names) for pictures, (pictures, names) for texts."""
    image, text = (rows / rows.norm(dim=1, keepdim=True) for rows in (image, text))
    total = torch.zeros((), dtype=torch.float64)
    for query, keys, (more, names) in ((image, text, extra[0]), (text, image, extra[1])):
        for row in range(len(query)):
            negatives = [keys[k] for k in range(len(keys)) if same[k] != same[row]]
            negatives += [more[k] / more[k].norm() for k in range(len(more)) if names[k] != same[row]]
            scores = torch.stack([math.e**log_scale * query[row] @ key for key in negatives]).exp().sum()
            own = (math.e**log_scale * query[row] @ keys[row]).exp()
            total = total - (own / (scores + (0 if decoupled else own))).log() / 2
    return total / len(image)


@pytest.mark.parametrize("decoupled", [False, True])
def test_with_a_queue_each_side_meets_the_older_keys_of_its_own_kind(decoupled):
    """Four steps in float64: pictures against older captions, captions against older pictures, equal names left out."""
    method = made(negatives="queue:10", decoupled=decoupled).double()
    names = [0, 1, 1, 3, 4, 5, 6]
    start = [(ring.keys_KD.clone(), [None] * 10) for ring in (method.texts.queue, method.images.queue)]
    assert not torch.equal(start[0][0], start[1][0])
    older = [([*rows], known) for rows, known in start]
    for step in range(4):
        z = method.embed(batch(step, torch.tensor(names))).joined()
        outcome = method.compare(z)
        want = loss_with(older, z["image"], z["text"], method.encoder.logit_scale, names, decoupled=decoupled)
        torch.testing.assert_close(outcome.loss, want, rtol=1e-10, atol=1e-11)
        mine, theirs = (
            torch.autograd.grad(loss, [z["image"], z["text"], method.encoder.logit_scale], retain_graph=True)
            for loss in (outcome.loss, want)
        )
        for one, other in zip(mine, theirs):
            torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-12)
        method.after_step(outcome, Progress(step + 1, 10))
        for (rows, known), side in zip(older, ("text", "image")):
            for k in range(ROWS):
                place = (step * ROWS + k) % 10
                rows[place] = (z[side][k] / z[side][k].norm()).detach()
                known[place] = names[k]
        names = names[1:] + names[:1]


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("names", [[-1, 1, -1, 5, -1], []])
def test_captions_changed_by_rule_are_more_texts_for_pictures_alone(decoupled, names):
    """NegCLIP in float64, with gradient into what was changed; one that became a true caption is not its negative."""
    method, same = made(negatives="rules:relation", decoupled=decoupled), [0, 1, 1, 3, 4, 5, 6]
    seen = batch(0, torch.tensor(same))
    changed = torch.tensor(names, dtype=torch.int64)
    view = {"input_ids": batch(9).views[1]["input_ids"][: len(names)]}
    z = method.embed(replace(seen, others=replace(seen, views=(view,), ids_B=changed, groups_B=changed))).joined()
    outcome = method.compare(z)
    others = method.encoder.encode_text(view["input_ids"])
    want = loss_with(
        ((others, names), ([], [])), z["image"], z["text"], method.encoder.logit_scale, same, decoupled=decoupled
    )
    torch.testing.assert_close(outcome.loss, want, rtol=1e-10, atol=1e-11)
    weights = [p for p in method.parameters() if p.requires_grad]
    mine, theirs = (torch.autograd.grad(loss, weights, retain_graph=True) for loss in (outcome.loss, want))
    for one, other in zip(mine, theirs):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-12)


def test_mixed_negatives_lie_between_the_hardest_and_count_as_candidates():
    """MoCHi's points, made of the batch's own keys where there is no queue, are each row's own extra negatives."""
    method = made(negatives="mixed:3").double()
    z = method.embed(batch(0)).joined()
    outcome = method.compare(z)
    extra = []
    for query, key, added in ((z["image"], z["text"], method.texts), (z["text"], z["image"], method.images)):
        own = added(query, z.names_B, (z.seed, z.step), batch=(key, z.names_B)).own
        assert own.shape == (ROWS, 3, 12)
        torch.testing.assert_close(own.norm(dim=-1), torch.ones(ROWS, 3, dtype=torch.float64))
        extra.append(own)
    image, text = (z[side] / z[side].norm(dim=1, keepdim=True) for side in ("image", "text"))
    scale, total = method.encoder.logit_scale.exp(), 0.0
    for query, key, own in ((image, text, extra[0]), (text, image, extra[1])):
        for row in range(ROWS):
            scores = scale * torch.cat([query[row] @ key.T, own[row] @ query[row]])
            total = total - (scores[row] - scores.logsumexp(0)) / (2 * ROWS)
    torch.testing.assert_close(outcome.loss, total, rtol=1e-10, atol=1e-11)
    assert outcome.guessing == pytest.approx(math.log(ROWS + 3))


def test_the_temperature_starts_as_published_is_clipped_after_the_step_and_does_not_decay():
    method = made()
    assert float(method.temperature().detach()) == pytest.approx(0.07)
    outcome = method.compare(method.embed(batch(0)))
    assert outcome.diagnostics["temperature"] == pytest.approx(0.07)
    nn.init.constant_(method.encoder.logit_scale, 9.0)
    assert float(method.temperature().detach()) == pytest.approx(math.exp(-9.0))  # not clipped where the loss reads it
    method.after_step(outcome, Progress(1, 10))
    assert float(method.encoder.logit_scale.detach()) == pytest.approx(math.log(100))
    decayed = [p for group in method.parameter_groups() if group.decay for p in group.parameters]
    assert all(p is not method.encoder.logit_scale and p.ndim > 1 for p in decayed)
    assert float(made(temperature=0.5).temperature().detach()) == pytest.approx(0.5)
    assert not made(learned=False).encoder.logit_scale.requires_grad


def test_guessing_is_the_loss_of_equal_similarities_under_the_same_masks():
    method, groups = made(), torch.tensor([0, 0, 0, 1, 2, 3, 4])
    same = torch.ones(ROWS, 12, dtype=torch.float64)
    z = Embeddings.of(batch(0, groups), same, image=same, text=same)
    outcome = method.compare(z)
    assert float(outcome.loss.detach()) == pytest.approx(outcome.guessing)
    assert outcome.guessing < math.log(ROWS)


def test_captions_that_repeat_are_not_pushed_apart():
    method = made()
    seen = batch(0)
    free, masked = (
        method.compare(method.embed(batch(0, groups))).loss.detach()
        for groups in (None, torch.tensor([0, 0, 2, 3, 4, 5, 6]))
    )
    assert float(masked) < float(free)
    image = method.encoder(seen.views[0]).detach().requires_grad_()
    text = method.encoder.encode_text(seen.views[1]["input_ids"]).detach()
    z = Embeddings.of(batch(0, torch.zeros(ROWS, dtype=torch.int64)), image.detach(), image=image, text=text)
    method.compare(z).loss.backward()
    assert float(image.grad.abs().max()) < 1e-12  # all captions equal: nothing to tell apart


def test_compare_is_pure_and_the_decoupled_loss_is_smaller():
    method = made()
    z = method.embed(batch(0))
    assert torch.equal(method.compare(z).loss, method.compare(z).loss)
    assert made(decoupled=True).compare(z).loss < method.compare(z).loss


def test_a_locked_text_tower_gets_no_gradient():
    method = made(lock="text")
    outcome = method.compare(method.embed(batch(0)))
    outcome.loss.backward()
    assert all(p.grad is None for p in method.encoder.text.parameters())
    trained = {id(p) for group in method.parameter_groups() for p in group.parameters}
    assert not trained & {id(p) for p in method.encoder.text.parameters()}
    assert method.encoder.visual.proj.grad is not None


@pytest.mark.parametrize("same", [None, [0, 1, 1, 3, 4, 1, 0]])
def test_siglip_judges_every_pair_alone(same):
    """The paper's algorithm 1 in float64, equal captions left out; the bias and the scale get their gradients."""
    method = made(loss="sigmoid")
    seen = batch(0, None if same is None else torch.tensor(same))
    z = method.embed(seen).joined()
    outcome = method.compare(z)
    image, text = (z[side] / z[side].norm(dim=1, keepdim=True) for side in ("image", "text"))
    scale, bias = method.encoder.logit_scale, method.encoder.logit_bias
    total = torch.zeros((), dtype=torch.float64)
    for row in range(ROWS):
        for column in range(ROWS):
            if row == column or same is None or same[row] != same[column]:
                sign = 1.0 if row == column else -1.0
                total = total - nn.functional.logsigmoid(sign * (scale.exp() * image[row] @ text[column] + bias))
    torch.testing.assert_close(outcome.loss, total / ROWS, rtol=1e-10, atol=1e-11)
    wanted = torch.autograd.grad(total / ROWS, (scale, bias), retain_graph=True)
    found = torch.autograd.grad(outcome.loss, (scale, bias))
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-11)
    assert (
        bias.item() == -10 and scale.exp().item() == pytest.approx(10) and method.encoder.spec["init_logit_bias"] == -10
    )
    with pytest.raises(ValueError, match="each alone"):
        made(loss="sigmoid", decoupled=True)
