"""What a picture encoder is, and our own small one.

Shapes: B pictures, C channels, h x w pixels, H features (`encoder.width`).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from kontrast.encoders.heads import identity
from kontrast.preprocessing import Preprocessing


class ImageEncoder(nn.Module):
    """A backbone, and what is needed to build it again.

    width  H, the length of a feature vector
    spec   JSON values, the arguments of `image_encoder_by_name` with the stem decided (weights and seed excepted)
    messages  what was decided for the user, in sentences
    look      how pictures were made ready for its weights; None for random ones, which have not seen any
    """

    by_rows = True  # no picture needs another, BatchNorm excepted: a large batch may be cut

    def __init__(
        self,
        net: nn.Module,
        width: int,
        spec: dict[str, Any],
        messages: tuple[str, ...] = (),
        look: Preprocessing | None = None,
    ) -> None:
        super().__init__()
        self.net = net
        self.width = width
        self.spec = spec
        self.messages = messages
        self.look = look

    def add_head(self) -> nn.Linear:
        """A linear layer after the features, begun as the identity; it stays with the encoder."""
        head = identity(self.width)
        self.net = nn.Sequential(self.net, head)
        self.spec["head"] = True
        return head

    def forward(self, pixels_BChw: Tensor) -> Tensor:
        features_BH: Tensor = self.net(pixels_BChw)
        return features_BH


def small_net(channels: int, image_size: int = 32) -> nn.Sequential:
    """Our net for small pictures on CPUs: 3x3 convolutions 16-16-pool-32-32-pool-64-128, each with BatchNorm and ReLU.

    H = 128 by a global average. Pictures of at most 16 pixels, where place is most of what there is to see, keep it:
    32-32-pool-64-128, then all places through one linear layer to H = 128. Takes pictures from 2 x 2 pixels on.
    """
    tiny = image_size <= 16
    layers: list[nn.Module] = []
    for width in (32, 32, 0, 64, 128) if tiny else (16, 16, 0, 32, 32, 0, 64, 128):
        if width == 0:
            layers.insert(-1, nn.MaxPool2d(2))  # before the ReLU: the same values, a quarter of its work
            continue
        conv = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")  # as the ResNets do
        layers += [conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        channels = width
    if tiny:
        places = (image_size // 2) ** 2
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * places, 128, bias=False), nn.BatchNorm1d(128))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
