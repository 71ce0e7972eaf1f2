"""State dicts as each publisher's program writes them, of torchvision's ResNets; with the network that they are of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

Weights = dict[str, Tensor]


def network(name: str = "resnet18", seed: int = 3) -> nn.Module:
    """torchvision's, with BatchNorms that have seen something, its classifier in place."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net: nn.Module = torchvision.models.get_model(name)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.data.uniform_(0.5, 1.5)
                module.num_batches_tracked.fill_(7)
    return net.eval()


def features(net: nn.Module, pixels: Tensor) -> Tensor:
    """What is before torchvision's classifier."""
    kept, net.fc = net.fc, nn.Identity()
    with torch.no_grad():
        vectors: Tensor = net(pixels)
    net.fc = kept
    return vectors


def under(prefix: str, weights: Weights) -> Weights:
    return {prefix + name: tensor for name, tensor in weights.items()}


def without_classifier(net: nn.Module) -> Weights:
    return {name: tensor for name, tensor in net.state_dict().items() if not name.startswith("fc.")}


def mlp(*names: str) -> Weights:
    """Linear layers of these names, of no size to speak of."""
    return {f"{name}.{part}": torch.zeros(2) for name in names for part in ("weight", "bias")}


def moco(net: nn.Module, head: tuple[str, ...]) -> Any:
    one = without_classifier(net) | mlp(*head)
    other = {name: torch.zeros_like(tensor) for name, tensor in one.items()}
    queue = {"module.queue": torch.zeros(4, 4), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
    state = under("module.encoder_q.", one) | under("module.encoder_k.", other) | queue
    return {"epoch": 200, "arch": "resnet18", "state_dict": state, "optimizer": {"state": {}, "param_groups": []}}


def moco_v3(net: nn.Module) -> Any:
    one = without_classifier(net) | mlp("fc.0", "fc.3")
    other = under("module.momentum_encoder.", one) | under("module.predictor.", mlp("0", "3"))
    return {"epoch": 100, "state_dict": under("module.base_encoder.", one) | other}


def swav(net: nn.Module) -> Any:
    return under("module.", without_classifier(net) | mlp("projection_head.0", "projection_head.3") | mlp("prototypes"))


def barlow(net: nn.Module) -> Any:
    bn = {"bn.running_mean": torch.zeros(2), "bn.running_var": torch.ones(2), "bn.num_batches_tracked": torch.tensor(1)}
    inside = under("backbone.", without_classifier(net)) | mlp("projector.0", "projector.3") | bn
    return {"epoch": 1000, "model": under("module.", inside), "optimizer": {}}


def in_a_row(net: nn.Module) -> Weights:
    """As lightly's and many programs' nn.Sequential(*list(resnet.children())[:-1]) names them."""
    return nn.Sequential(*list(net.children())[:-1]).state_dict()


def lightly(net: nn.Module) -> Any:
    row = in_a_row(net)
    heads = mlp("projection_head.layers.0", "prediction_head.layers.0", "projection_head_momentum.layers.0")
    return {"state_dict": under("backbone.", row) | under("backbone_momentum.", row) | heads, "global_step": 1}


def solo(net: nn.Module) -> Any:
    inside = under("backbone.", without_classifier(net)) | under("momentum_backbone.", without_classifier(net))
    return {"state_dict": inside | mlp("projector.0", "momentum_projector.0", "predictor.0", "classifier")}


def simclr(net: nn.Module) -> Any:
    """The projector in place of the classifier."""
    return {"state_dict": under("backbone.", without_classifier(net) | mlp("fc.0", "fc.2")), "arch": "resnet18"}


def apart(net: nn.Module, encoder: str, projector: str) -> Any:
    return under(encoder, without_classifier(net)) | under(projector, mlp("0", "2"))


def byol_lucidrains(net: nn.Module) -> Any:
    return (
        under("net.", net.state_dict())
        | under("online_encoder.net.", net.state_dict())
        | under("target_encoder.net.", net.state_dict())
        | mlp("online_encoder.projector.0", "online_predictor.0", "target_encoder.projector.0")
    )


def byol_sthalles(net: nn.Module) -> Any:
    online = under("encoder.", in_a_row(net)) | mlp("projetion.net.0", "projetion.net.3")
    return {"online_network_state_dict": online, "target_network_state_dict": online}


def vissl(net: nn.Module) -> Any:
    parts = {"trunk": under("_feature_blocks.", without_classifier(net)), "heads": mlp("0.clf.0")}
    return {"iteration": 5, "classy_state_dict": {"base_model": {"model": parts, "meta": {"n": 1}}}}


def vissl_flat(net: nn.Module) -> Any:
    start = "classy_state_dict.base_model.model."
    return under(f"{start}trunk._feature_blocks.", without_classifier(net)) | under(f"{start}heads.", mlp("0.clf.0"))


PUBLISHED: dict[str, tuple[str, int, Callable[[nn.Module], Any]]] = {  # -> (whose, tensors not needed, the file)
    "MoCo v1": ("MoCo", 2 + 120 + 4, lambda net: moco(net, ("fc",))),
    "MoCo v2": ("MoCo", 4 + 120 + 6, lambda net: moco(net, ("fc.0", "fc.2"))),
    "MoCo v3": ("MoCo v3", 4 + 120 + 8, moco_v3),
    "SwAV": ("SwAV", 6, swav),
    "Barlow Twins, whole": ("Barlow Twins", 7, barlow),
    "Barlow Twins, encoder": ("timm's and torchvision's names", 0, without_classifier),
    "SimCLR, backbone": ("SimCLR", 4, simclr),
    "SimCLR, convnet": ("SimCLR", 4, lambda net: apart(net, "convnet.", "projection.")),
    "SimCLR, encoder": ("SimCLR", 4, lambda net: apart(net, "encoder.", "projector.")),
    "BYOL, byol-pytorch": ("BYOL", 122 + 122 + 2 + 6, byol_lucidrains),
    "BYOL, PyTorch-BYOL": ("BYOL", 4, byol_sthalles),
    "lightly": ("lightly", 120 + 6, lightly),
    "solo-learn": ("solo-learn", 120 + 8, solo),
    "VISSL": ("VISSL", 0, vissl),
    "VISSL, flat": ("VISSL", 2, vissl_flat),
    "torchvision": ("timm's and torchvision's names", 2, lambda net: net.state_dict()),
    "torchvision, parallel": ("timm's and torchvision's names", 2, lambda net: under("module.", net.state_dict())),
}
