"""Which network some tensors are of, by names and shapes; and what they cannot tell is asked for or refused."""

import pytest
import timm
import torch
import torchvision
from tests.exchange.publishers_files import features, lightly, network, solo, under, without_classifier
from torch import nn

from kontrast.encoders.images.publishers import PLAIN
from kontrast.errors import Unfit
from kontrast.exchange.published_weights import RESNETS, Read, encoder, read
from kontrast.preprocessing import Preprocessing

LOOK = Preprocessing(64, (0.5,) * 3, (0.25,) * 3)


def of(weights):
    """As `read` sorts them, without a file."""
    return Read("weights.pth", PLAIN, weights, {name: name for name in weights}, (), ())


def written(folder, content):
    torch.save(content, folder / "weights.pth")
    return read(folder / "weights.pth")


@pytest.mark.parametrize("name", RESNETS)
def test_every_resnet_is_known_by_its_shapes(name):
    with torch.device("meta"):
        theirs = torchvision.models.get_model(name)
    empty = {each: torch.zeros(()).expand(tensor.shape) for each, tensor in theirs.state_dict().items()}
    if "101" in name or "152" in name:  # large: the search alone
        with pytest.raises(Unfit, match=rf"is not {name}, the nearest network: 1 missing \(bn1.bias\)\."):
            encoder(of({each: tensor for each, tensor in empty.items() if each != "bn1.bias"}), LOOK)
        return
    assert encoder(of(empty), LOOK).encoder.spec["name"] == name


def test_a_bottleneck_resnet_gives_torchvisions_vectors():
    net = network("resnet50")
    found = encoder(of(without_classifier(net)), LOOK)
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert (found.encoder(pixels) - features(net, pixels)).abs().max() < 1e-5
    assert found.used == 318 and not found.unneeded


def test_another_network_is_named_by_the_user():
    net = timm.create_model("vit_tiny_patch16_224", img_size=64).eval()
    with pytest.raises(Unfit, match=r"is no ResNet of resnet18.*--as NAME"):
        encoder(of(net.state_dict()), LOOK)
    with pytest.raises(Unfit, match=r"is not vit_small_patch16_224: .* of another shape"):
        encoder(of(net.state_dict()), LOOK, "vit_small_patch16_224")
    with pytest.raises(Unfit, match='There is no encoder "vit_tinny'):
        encoder(of(net.state_dict()), LOOK, "vit_tinny_patch16_224")
    found = encoder(of(net.state_dict()), LOOK, "vit_tiny_patch16_224")
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert (
            found.encoder(pixels) - net.forward_head(net.forward_features(pixels), pre_logits=True)
        ).abs().max() < 1e-5
    assert found.unneeded == ["head.weight", "head.bias"]


def test_a_resnet_of_double_width_is_named_as_such():
    wide = {name: torch.zeros(1).expand([2 * side for side in tensor.shape]) for name, tensor in
            without_classifier(network()).items() if tensor.ndim}  # fmt: skip
    with pytest.raises(Unfit, match="2 times as wide"):
        encoder(of(wide | {"conv1.weight": torch.zeros(128, 3, 7, 7)}), LOOK)


def small_stem(padding):
    net = network()
    net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, 1, padding, bias=False), nn.Identity()
    return net


def test_a_small_stem_is_taken_only_on_the_users_word(tmp_path):
    net = small_stem(1)
    files = written(tmp_path, lightly(net))
    with pytest.raises(Unfit, match="--stem cifar"):
        encoder(files, LOOK)
    found = encoder(files, LOOK, stem="cifar")
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert (found.encoder(pixels) - features(net, pixels)).abs().max() < 1e-5
    with pytest.raises(Unfit, match="solo-learn's 3x3 stem, which pads by 2"):
        encoder(written(tmp_path, solo(small_stem(2))), LOOK, stem="cifar")
    with pytest.raises(Unfit, match="is not 3x3"):
        encoder(of(network().state_dict()), LOOK, stem="cifar")
    with pytest.raises(Unfit, match='"cifar" was expected'):
        encoder(of(net.state_dict()), LOOK, stem="tiny")


def test_counters_that_old_files_lack_are_not_missed_but_half_of_them_are():
    whole = without_classifier(network())
    found = encoder(of({name: tensor for name, tensor in whole.items() if "num_batches" not in name}), LOOK)
    assert found.used == 100
    with pytest.raises(Unfit, match=r"1 missing \(bn1\.num_batches_tracked\)"):
        encoder(of({name: tensor for name, tensor in whole.items() if name != "bn1.num_batches_tracked"}), LOOK)


def test_channels_are_the_first_convolutions():
    net = network()
    net.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    assert encoder(of(net.state_dict()), Preprocessing(64, (0.5,), (0.25,))).encoder.spec["channels"] == 1
    with pytest.raises(Unfit, match="takes 1 channels, but --mean and --std name 3"):
        encoder(of(net.state_dict()), LOOK)


def test_numbers_that_are_not_finite_are_refused_by_name():
    weights = network().state_dict()
    weights["layer1.0.bn1.bias"][0] = float("nan")
    with pytest.raises(Unfit, match=r"layer1.0.bn1.bias holds numbers that are not finite"):
        encoder(of(weights), LOOK)


def test_what_nothing_explains_is_refused_beside_the_encoder_too(tmp_path):
    files = written(tmp_path, under("backbone.", without_classifier(network())) | {"decoder.weight": torch.zeros(1)})
    with pytest.raises(Unfit, match=r"1 explained by nothing \(decoder\.weight\)"):
        encoder(files, LOOK)


def test_a_file_that_needs_no_import_says_so(tmp_path):
    with pytest.raises(Unfit, match="Give its folder: it needs no import"):
        written(tmp_path, {"embeddings.word_embeddings.weight": torch.zeros(1)})
    with pytest.raises(Unfit, match="no tensors"):
        written(tmp_path, {"epoch": 3})
