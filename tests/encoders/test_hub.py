"""Published weights without a network: told soon, and never waited for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kontrast import keyed
from kontrast.encoders import hub
from kontrast.encoders.images.open import image_encoder
from kontrast.errors import Unfit


def pictures(size: int, channels: int = 3, rows: int = 2) -> Tensor:
    return torch.randn(rows, channels, size, size, generator=keyed.generator("test pictures"))


def test_published_weights_without_a_network_end_in_a_sentence_and_soon(tmp_path: Path) -> None:
    """A hub that does not answer: its own client would ask again and again for most of a minute."""
    program = (
        "import time\n"
        "from kontrast.encoders.images.open import image_encoder\n"
        "from kontrast.encoders.text.open import text_encoder\n"
        "from kontrast.errors import Unfit\n"
        "import huggingface_hub.file_download, timm\n"
        "began, slept, time.sleep = time.monotonic(), [], lambda seconds: slept.append(seconds)\n"
        "for begin in (lambda: text_encoder('no/such-model', seed=0, pretrained=True),\n"
        "    lambda: image_encoder('resnet18', image_size=32, seed=0, pretrained=True)):\n"
        "    try:\n"
        "        begin()\n"
        "    except Unfit as problem:\n"
        "        print(problem)\n"
        "print('asked again', len(slept), 'times; offline is', huggingface_hub.constants.HF_HUB_OFFLINE)\n"
    )
    nowhere = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    nowhere |= {"https_proxy": "", "HTTPS_PROXY": "", "http_proxy": "", "HTTP_PROXY": ""}
    told = subprocess.run([sys.executable, "-c", program], env=nowhere, capture_output=True, text=True, check=True)
    for line in told.stdout.splitlines()[:2]:
        assert "--encoder FOLDER" in line and ("--pretrained" in line or "offline" in line)
    assert "asked again 0 times; offline is False" in told.stdout, "and afterwards everything is as it was"
    with pytest.raises(Unfit, match="no published weights"):
        image_encoder("small", image_size=32, seed=0, pretrained=True)


def test_something_that_listens_is_noticed() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        there = f"http://127.0.0.1:{server.getsockname()[1]}/hub"
        assert hub.answers(there)
    assert not hub.answers(there) and not hub.answers("http://127.0.0.1:notaport")
