"""What `--tune` lets move, what that costs, and that LoRA joins the weights it stood beside."""

import copy
import json

import pytest
import torch
from torch import nn

from kontrast.encoders import tuning
from kontrast.encoders.images.by_name import image_encoder_by_name
from kontrast.encoders.text.open import text_encoder
from kontrast.errors import Unfit

WAYS = ["full", "last:1", "last:2", "head", "lora:2"]
TEXTS = ["a red fox runs", "two old dogs sleep", "the war was lost", "she wrote a letter"]


def picture(name="test_vit", side=32, seed=3):
    return image_encoder_by_name(name, image_size=side, seed=seed)


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    """A BERT folder of our own, in which two layers of the layout are those of any."""
    return text_encoder("small", texts=TEXTS, seed=3)


def moved(encoder, inputs, steps=3):
    """After some steps of AdamW on what moves; the optimizer is returned."""
    optimizer = torch.optim.AdamW([p for p in encoder.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        encoder(inputs).square().sum().backward()
        optimizer.step()
    return optimizer


def pixels(side=32):
    return torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "text", ["", "half", "last", "last:0", "last:-1", "lora:", "lora:x", "full:2", "head:1", "last:２"]
)
def test_what_is_none_of_the_ways_is_refused_with_them(text):
    with pytest.raises(Unfit, match=r"--tune .*full, last:N, head or lora:R"):
        tuning.parsed(text)


@pytest.mark.parametrize("text", ["full", "last:2", "head", "lora:16"])
def test_a_way_is_written_as_it_was_read(text):
    assert str(tuning.parsed(text)) == text


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet", "torchvision:vit_b_16"])
def test_only_what_should_move_moves_and_nothing_else_is_stored(name, way):
    if name.startswith("torchvision") and way not in ("lora:2", "last:1"):
        pytest.skip("a large net, once for each special case")
    encoder = picture(name)
    if way.startswith("lora") and "efficientnet" in name:
        with pytest.raises(Unfit, match="transformers"):
            tuning.tune(encoder, tuning.parsed(way))
        return
    before = copy.deepcopy(encoder.eval())
    told = tuning.tune(encoder, tuning.parsed(way), seed=5)
    count = sum(p.numel() for p in encoder.parameters() if p.requires_grad)
    assert f"{count:,} of" in told
    torch.testing.assert_close(encoder(pixels()), before(pixels()), rtol=1e-5, atol=1e-5)  # nothing is changed yet
    start = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    optimizer = moved(encoder, pixels())
    changed = {name for name, tensor in encoder.state_dict().items() if not torch.equal(tensor, start[name])}
    assert changed and not changed & tuning.still(encoder)
    assert changed <= tuning.moving(encoder).keys()
    assert {id(p) for p in optimizer.state} == {id(p) for p in encoder.parameters() if p.requires_grad}


def test_the_last_layers_are_the_last():
    """Of a ViT: the last blocks and the norm after them; of a convolutional net its last stage."""
    vit = picture()
    tuning.tune(vit, tuning.parsed("last:2"))
    names = {name for name, p in vit.named_parameters() if p.requires_grad}
    depth = len(vit.net.blocks)
    assert any(f"blocks.{depth - 1}." in name for name in names) and not any("blocks.0." in name for name in names)
    assert not any("patch_embed" in name or "pos_embed" in name for name in names)


@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet", "test_resnet", "small", "resnet18"])
def test_layers_hold_each_parameter_once_and_run_from_input_to_output(name):
    encoder = picture(name)
    found = [id(p) for layer in tuning.layers(encoder) for p in layer]
    assert sorted(found) == sorted({id(p) for p in encoder.parameters()})
    assert id(next(encoder.parameters())) in {id(p) for p in tuning.layers(encoder)[0]} or name == "test_vit"
    with pytest.raises(Unfit, match=r"--tune last:99: this encoder has \d+ layers"):
        tuning.tune(encoder, tuning.parsed("last:99"))


def test_a_sentence_encoder_has_the_layers_of_its_net(sentences):
    encoder = copy.deepcopy(sentences)
    assert len(tuning.layers(encoder)) == 1 + len(encoder.net.encoder["layer"])
    tuning.tune(encoder, tuning.parsed("last:1"))
    names = {name for name, p in encoder.named_parameters() if p.requires_grad}
    assert names and all("layer.3." in name for name in names)


def test_merged_lora_gives_what_it_gave_beside_the_weights(sentences):
    for encoder, inputs in ((picture(), pixels()), (copy.deepcopy(sentences), sentences.tokenizer(TEXTS))):
        before = copy.deepcopy(encoder.eval())
        tuning.tune(encoder, tuning.parsed("lora:4"), seed=5)
        moved(encoder, inputs)
        beside = encoder.eval()(inputs)
        assert (beside - before(inputs)).abs().max() > 1e-2  # it learned something
        kept = tuning.plain(encoder)
        assert kept.keys() == before.state_dict().keys()
        joined = tuning.merged(encoder)
        assert not any("lora" in name or "base_layer" in name for name in joined.state_dict())
        assert ((joined(inputs) - beside).abs().max() / beside.abs().max()) < 1e-5
        assert all(torch.equal(kept[name], tensor) for name, tensor in joined.state_dict().items())


def test_what_moved_at_another_time_can_be_joined_too():
    encoder = picture()
    tuning.tune(encoder, tuning.parsed("lora:2"))
    first = {name: tensor.clone() for name, tensor in tuning.moving(encoder).items()}
    start = tuning.plain(encoder)
    moved(encoder, pixels())
    again = tuning.plain(encoder, first)
    assert all(torch.equal(again[name], tensor) for name, tensor in start.items())


def test_lora_is_drawn_by_the_seed_and_the_global_generator_stays():
    made = []
    for seed in (1, 1, 2):
        encoder, before = picture(), torch.random.get_rng_state()
        tuning.tune(encoder, tuning.parsed("lora:2"), seed=seed)
        assert torch.equal(before, torch.random.get_rng_state())
        made.append(torch.cat([p.flatten() for name, p in encoder.named_parameters() if "lora_A" in name]))
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])


def test_lora_takes_at_most_two_fifths_of_the_memory_of_full():
    """Of gradients and optimizer state; what it would take of a ViT-S is far less."""
    taken = {}
    for way in ("full", "lora:4"):
        encoder = picture()
        tuning.tune(encoder, tuning.parsed(way))
        optimizer = moved(encoder, pixels())
        state = sum(t.numel() for s in optimizer.state.values() for t in s.values() if t.ndim)
        taken[way] = state + sum(p.grad.numel() for p in encoder.parameters() if p.grad is not None)
    assert taken["lora:4"] <= 0.4 * taken["full"]


def test_a_head_is_kept_by_the_description_of_its_encoder(sentences, tmp_path):
    from kontrast.encoders.images.by_name import as_described

    encoder = picture()
    tuning.tune(encoder, tuning.parsed("head"))
    moved(encoder, pixels())
    again = as_described(json.loads(json.dumps(encoder.spec)), seed=0)
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again.eval()(pixels()), encoder.eval()(pixels()))
    words = copy.deepcopy(sentences)
    tuning.tune(words, tuning.parsed("head"))
    assert words.spec["dense"][-1]["in"] == words.width


def test_a_twin_has_no_copy_of_what_stands_still():
    from kontrast.methods import configured, entry

    encoder = picture()
    tuning.tune(encoder, tuning.parsed("last:1"))
    made_by, _ = entry("moco").load()
    method = made_by(encoder, encoder.width, configured("moco", {"queue": 8, "bn_groups": 1}), seed=0)
    left_out = tuning.constant(method, encoder)
    state = method.state_dict()
    assert {f"encoder.{name}" for name in tuning.still(encoder)} <= left_out
    assert any(name.startswith("twin.") for name in left_out)
    assert all(
        torch.equal(state[name], state[f"encoder.{name.partition('net.')[1]}{name.partition('net.')[2]}"])
        for name in left_out
    )
    assert not any(name in left_out for name, p in method.named_parameters() if p.requires_grad)
    assert not tuning.constant(method, nn.Identity())
