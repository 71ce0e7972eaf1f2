"""Two towers from two trained encoders, each by itself: a picture encoder's folder, and a sentence encoder's.

Nothing joins them yet: the projections behind them begin at random, and are all that a locked pair has to learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kontrast.encoders.clip import bpe
from kontrast.encoders.clip.bpe import Captions
from kontrast.encoders.clip.hugging_face import HuggingFaceTower
from kontrast.encoders.clip.presets import SMALL_TEXT, model_cfg
from kontrast.encoders.clip.towers import Towers, TrunkTower, towers
from kontrast.encoders.images.by_name import options_of
from kontrast.encoders.images.folders import Stored, stored
from kontrast.encoders.text import tokens
from kontrast.encoders.text.layout import Layout
from kontrast.errors import Unfit
from kontrast.exchange import open_clip
from kontrast.exchange.pair_folder import Pairs

CONTEXT = 64  # tokens of a caption for a Hugging Face text tower
POOLERS = {None: "mean_pooler", "mean": "mean_pooler", "cls-before-pooler": "cls_last_hidden_state_pooler"}


def tokenizer(text: str, captions: Sequence[str]) -> Captions:
    """The tokenizer of a text tower: "small" learns its words from the captions, a folder brings its own."""
    if text == "small":
        return bpe.learned(captions, context=SMALL_TEXT["context_length"])
    if text == "clip":
        return bpe.openai()
    if Path(text).is_dir():
        return Captions(tokens.read(Path(text), max_length=CONTEXT), "whitespace")
    raise Unfit(f"The text tower {text!r} is neither small, clip, nor a folder.")


def fill_text(made: Towers, text: str) -> None:
    """Give a Hugging Face text tower the weights of its folder."""
    if isinstance(made.text, HuggingFaceTower):
        open_clip.with_text_tower(made, Path(text))


def started(image: Path, text: str, captions: Sequence[str], size: int, *, seed: int, sigmoid: bool = False) -> Pairs:
    """The picture encoder of a folder, with its weights and its pixels, and a text tower, joined by fresh projections.

    size  of the pictures; Unfit where the encoder takes another one alone
    The towers' layout (open_clip's) has no share of a central crop: the whole square is seen.
    """
    found = stored(image)
    _can_stand_in(found)
    trained = found.encoder(size)
    words = tokenizer(text or "small", captions)
    folder = Path(text) if text and Path(text).is_dir() else None
    config = model_cfg(
        found.spec["name"], text or "small", image_size=size, vocab_size=words.inner.size, own_words=text != "clip"
    )
    if found.spec.get("global_pool"):
        config["vision_cfg"]["timm_pool"] = found.spec["global_pool"]
    if folder is not None:
        config["text_cfg"]["hf_pooler_type"] = pooler(folder)
    made = towers(config, seed=seed, folder=folder)
    if sigmoid:
        made.judge_alone()
    assert isinstance(made.visual, TrunkTower)
    made.visual.trunk.load_state_dict(trained.net.state_dict())
    fill_text(made, text)
    look = replace(found.look, size=size, crop_pct=1.0)
    whole = "" if found.look.crop_pct == 1 else f", without their central crop of {found.look.crop_pct:g}"
    made.messages = (f"weights of pictures: {found.folder}", f"pixels: {look.in_words()}, as these weights know{whole}")
    return Pairs(made, words, look)


def pooler(folder: Path) -> str:
    """How the tokens of this encoder become one vector, in open_clip's words; Unfit where it has none for it."""
    own = Layout(folder).pooler
    if own not in POOLERS:
        raise Unfit(
            f"The text tower in {folder} pools its tokens by {own}; two towers know mean and cls-before-pooler."
        )
    return POOLERS[own]


def _can_stand_in(found: Stored) -> None:
    """Unfit where open_clip's layout cannot name this picture encoder."""
    import timm  # takes seconds, so it comes when it is asked

    spec, name = found.spec, str(found.spec["name"])
    why = ""
    if name != "small" and (name.startswith("torchvision:") or not timm.is_model(name)):
        why = "two towers are built from timm's networks"
    elif spec.get("stem") == "cifar":
        why = "timm does not build its stem for small pictures"
    elif spec.get("norm", "batch") != "batch":
        why = f"two towers have no --norm {spec['norm']}"
    elif spec["channels"] != 3:
        why = "a picture tower takes three channels"
    elif own := [key for key in options_of(spec) if key not in ("num_classes", "global_pool")]:
        why = f"it was built with {', '.join(own)}, which open_clip's layout cannot say"
    if why:
        raise Unfit(f"The picture encoder in {found.folder} ({name}) cannot be a tower: {why}.")
