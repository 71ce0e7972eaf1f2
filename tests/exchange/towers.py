"""What the tests of folders with two towers share."""

from importlib.util import find_spec

import pytest

from kontrast.encoders.clip.presets import model_cfg
from kontrast.encoders.clip.towers import towers
from kontrast.preprocessing import Preprocessing

needs_peer = pytest.mark.skipif(find_spec("open_clip") is None, reason="open_clip is not installed")


CAPTIONS = ["a red circle left of a blue square", "two dogs run", "a café", "don't"]


LOOK = Preprocessing(32, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))


FOREIGN = """
import json, os, sys
sys.modules["kontrast"] = None  # from here on, importing it fails
import numpy as np, open_clip, torch
captions = json.loads(sys.argv[1])
for folder in sys.argv[2:]:
    os.chdir(folder)
    model, _, prepare = open_clip.create_model_and_transforms("local-dir:.")
    words = open_clip.get_tokenizer("local-dir:.")
    pixels = torch.from_numpy(np.load("../pixels.npy"))
    with torch.no_grad():
        image, text = model.eval().encode_image(pixels), model.encode_text(words(captions))
    np.savez("found.npz", image=image.numpy(), text=text.numpy(), scale=model.logit_scale.exp().item())
"""


def small(words, image="small", **more):
    config = model_cfg(image, "small", image_size=32, vocab_size=words.inner.size, own_words=True, context_length=16)
    return towers({**config, **more}, seed=5).eval()


def with_bert(words, folder, image="test_resnet"):
    """Towers whose text tower is Hugging Face's, its configuration in the folder."""
    transformers = pytest.importorskip("transformers")
    shape = transformers.BertConfig(
        vocab_size=words.inner.size, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=20, pad_token_id=words.inner.pad_id,
    )  # fmt: skip
    shape.to_json_file(folder / "config.json")
    config = model_cfg(image, folder, image_size=32, vocab_size=words.inner.size, own_words=True, context_length=16)
    return towers(config, seed=1, folder=folder).eval()


OWN = """
import json, sys
sys.modules["kontrast"] = None
import numpy as np, torch
from PIL import Image
from encoder import load, prepare, words
net = load()
picture = Image.fromarray(np.load("picture.npy"))
with torch.no_grad():
    image, text = net.encode_image(prepare(picture)[None]), net.encode_text(words(json.loads(sys.argv[1])))
np.savez("found.npz", image=image.numpy(), text=text.numpy())
"""
