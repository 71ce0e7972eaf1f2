"""Pictures that are in memory already: arrays in any layout and type, Pillow pictures, and the embedded digits.

Shapes: N samples, C channels, H height, W width.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from kontrast import keyed
from kontrast.data.labels import given, missing
from kontrast.data.messages import described
from kontrast.data.pixels import sixteen_bits
from kontrast.data.pixels.decode import Broken, Pixels, from_pillow, laid_out, to_channels
from kontrast.data.pixels.store import InMemory
from kontrast.data.readers.images import of_pictures, white_of
from kontrast.data.source import Options, Source, fingerprint
from kontrast.errors import Unfit, shown
from kontrast.keyed import Ids

DIGITS_TEST = 360
_LAYOUT_CHANNELS = (1, 3, 4)


def from_array(array: npt.NDArray[Any] | Tensor, options: Options, name: str = "array") -> Source:
    """Pictures (N, H, W), (N, H, W, C) or (N, C, H, W), uint8 or uint16; floats from 0 to 1 become uint8, said."""
    messages: list[str] = []
    values = plain(array, name)
    if values.ndim not in (3, 4) or 0 in values.shape:
        raise Unfit(f"{name} of shape {values.shape} holds no pictures: give (N, H, W), (N, H, W, C) or (N, C, H, W).")
    pixels = laid_out(_channels_first(_whole(values, messages, name), isinstance(array, Tensor), messages))
    if options.channels not in (None, pixels.shape[1]) and pixels.shape[1] in (1, 3):
        pixels = laid_out(np.stack([to_channels(picture, options.channels) for picture in pixels]))
        messages.append(f"turned to {options.channels} channels")
    count, channels, height, width = pixels.shape
    if options.split is not None:
        raise Unfit(f"split: {name} has no splits; choose the rows before.")
    labels, classes = _given_labels(options.labels, count, name)
    digests = {row: hashlib.blake2b(picture.tobytes(), digest_size=16).digest() for row, picture in enumerate(pixels)}
    names = [f"row {row}" for row in range(count)]
    bits = pixels.dtype.itemsize * 8
    highest = int(pixels.max()) if bits == 16 else 255
    grey = count if channels == 1 else 0
    lines = described({(height, width): count}, grey=grey, channels=channels, depths={bits: count}, bits=bits)
    if channels not in (1, 3):
        lines = [lines[0].replace("RGB", f"{channels} channels")]
    return Source(
        name=shown(name),
        kind="images",
        names=names,
        ids=np.arange(count),
        fingerprint=fingerprint(names, digests, pixels.shape, bits),
        pictures=InMemory(pixels, np.arange(count)),
        channels=channels,
        size=(height, width),
        bits=bits,
        highest=highest,
        white=white_of(name, highest, bits, options.white),
        labels=labels,
        classes=classes,
        shapes={(height, width): count},
        digests=digests,
        messages=(*lines, *messages),
    )


def from_list(items: Sequence[Any], options: Options) -> Source:
    """A list of picture files, encoded or Pillow pictures, or arrays of any size, layout and type; sample id = place.

    Arrays of one list are read alike: one type that holds them all, one place of the channels.
    """
    kinds = (str, os.PathLike, bytes, bytearray, Image.Image, np.ndarray, Tensor)
    for place, item in enumerate(items):
        if not isinstance(item, kinds) and not missing(item):
            raise Unfit(
                f"data: item {place} is {type(item).__name__}; file paths, Pillow pictures or arrays were expected, or "
                "sentences throughout; of pairs give a dict, {'anchor': [...], 'positive': [...]}."
            )
    messages: list[str] = []
    pixels = _pixels_of({i: item for i, item in enumerate(items) if isinstance(item, np.ndarray | Tensor)}, messages)

    def read(place: int) -> bytes | Pixels:
        item = items[place]
        if place in pixels:
            return pixels[place]
        if isinstance(item, Image.Image):
            return from_pillow(item)
        if isinstance(item, bytes | bytearray):
            return bytes(item)
        if missing(item):
            raise Broken("no picture here")
        return Path(item).read_bytes()

    names = [str(item) if isinstance(item, str | os.PathLike) else f"item {place}" for place, item in enumerate(items)]
    name = names[0] if len(names) == 1 else "list"
    if options.split is not None:
        raise Unfit(f"split: {name} has no splits; choose the items before.")
    labels, classes = _given_labels(options.labels, len(items), name)
    source = of_pictures(name, names, read, range(len(items)), options)
    return replace(source, labels=labels, classes=classes, messages=(*messages, *source.messages))


def _pixels_of(arrays: dict[int, Any], messages: list[str]) -> dict[int, Pixels]:
    """The arrays of a list as pixels (C, H, W), C 1 or 3, all of one type."""
    values = {place: plain(array, f"data: item {place}") for place, array in arrays.items()}
    for place, each in values.items():
        if each.ndim not in (2, 3) or 0 in each.shape:
            raise Unfit(f"data: item {place} of shape {each.shape} is no picture: give (H, W), (H, W, C) or (C, H, W).")
    three = [each for each in values.values() if each.ndim == 3]
    first = [each.shape[0] in _LAYOUT_CHANNELS for each in three]
    last = [each.shape[2] in _LAYOUT_CHANNELS for each in three]
    channels_first = all(first) and (not all(last) or all(isinstance(array, Tensor) for array in arrays.values()))
    if all(first) and all(last) and three:
        messages.append(f"shape {three[0].shape} read as {'(C, H, W)' if channels_first else '(H, W, C)'}")
    kinds = {each.dtype for each in values.values()}
    if kinds - {np.dtype(np.uint8), np.dtype(np.uint16)}:
        values = _of_one_type(values, messages)
    return {
        place: _grey_or_colour(
            each[None] if each.ndim == 2 else each if channels_first else each.transpose(2, 0, 1), place
        )
        for place, each in values.items()
    }


def _of_one_type(values: dict[int, npt.NDArray[Any]], messages: list[str]) -> dict[int, Pixels]:
    """Arrays of several shapes made uint8 or uint16 as one array of all their numbers is."""
    for place, each in values.items():
        _whole(each, [], f"data: item {place}")  # a sentence that names the place
    flat = [each.ravel() for each in values.values()]
    kinds = {each.dtype for each in flat}
    if len(kinds) > 1 and not all(np.issubdtype(kind, np.integer) or kind.kind == "b" for kind in kinds):
        raise Unfit(f"data: the list mixes arrays of {', '.join(sorted(map(str, kinds)))}; give all in one type.")
    whole = _whole(np.concatenate(flat), messages, "data")
    ends = np.cumsum([each.size for each in flat])[:-1]
    return {i: part.reshape(values[i].shape) for i, part in zip(values, np.split(whole, ends))}


def _grey_or_colour(pixels: Pixels, place: int) -> Pixels:
    """(1, H, W) or (3, H, W); four channels are colour and opacity, laid on white."""
    if len(pixels) == 4:
        if pixels.dtype == np.uint8:
            return from_pillow(Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))))
        return laid_out(sixteen_bits.on_white(pixels.transpose(1, 2, 0)))
    if len(pixels) not in (1, 3):
        raise Unfit(
            f"data: item {place} has {len(pixels)} channels; in a list 1, 3 or 4 are read. Pictures of equal size "
            "can have any number, as one array (N, C, H, W)."
        )
    return laid_out(pixels)


def digits(options: Options) -> Source:
    """scikit-learn's 1,797 handwritten digits, 8 x 8 grey: 1,437 to train, 360 never trained on. Labels 0 to 9.

    The split is a keyed shuffle of the rows and never changes. Without a split named, the training part is given.
    Source: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI (CC BY 4.0), its test part.
    """
    from sklearn.datasets import load_digits

    if options.labels not in (None, "label"):
        raise Unfit(f"labels: digits brings its own, 'label', and has no {options.labels!r}.")
    loaded = load_digits()
    pixels = np.rint(loaded.images * (255.0 / 16.0)).astype(np.uint8)
    whole = from_array(pixels, Options(labels=loaded.target, white=options.white), "digits")
    order = keyed.permuted(np.arange(len(pixels)), len(pixels), "digits split")
    splits = {"train": np.sort(order[DIGITS_TEST:]), "test": np.sort(order[:DIGITS_TEST])}
    chosen = options.split or "train"
    if chosen not in (*splits, "all"):
        raise Unfit(f"split: digits has no split {chosen!r}; it has train, test and all.")
    messages = f"digits: {len(splits['train']):,} to train, {DIGITS_TEST} held out; {chosen} chosen"
    return replace(
        whole,
        ids=splits.get(chosen, whole.ids),
        splits=splits,
        messages=(*whole.messages, messages),
        **_grouped(options.same, whole.labels),
    )


def _grouped(same: str | None, labels: Ids | None) -> dict[str, Any]:
    if same is None:
        return {}
    if same != "label":
        raise Unfit(f"same: digits can only be grouped by 'label', not {same!r}.")
    return {"groups": labels}


def plain(array: npt.NDArray[Any] | Tensor, name: str) -> npt.NDArray[Any]:
    """The numbers as NumPy has them on this machine: no gradient, no other device, no mask, no other byte order."""
    if isinstance(array, Tensor):
        try:
            tensor = array.detach().cpu().resolve_conj().resolve_neg()
            return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
        except (TypeError, RuntimeError, NotImplementedError):
            raise Unfit(f"{name}: a tensor of {array.dtype}, {array.layout}, cannot be read as pixels.") from None
    if isinstance(array, np.ma.MaskedArray):
        if np.ma.is_masked(array):
            raise Unfit(f"{name} has masked values: fill them first, as with array.filled(0).")
        array = array.data
    return np.asarray(array, dtype=array.dtype.newbyteorder("="))


def _whole(values: npt.NDArray[Any], messages: list[str], name: str) -> Pixels:
    """The values as uint8 or uint16."""
    if values.dtype in (np.uint8, np.uint16):
        return values
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    if not np.issubdtype(values.dtype, np.integer) and not np.issubdtype(values.dtype, np.floating):
        raise Unfit(f"{name} of type {values.dtype} is not a set of pictures: give uint8 or uint16 pixels.")
    low, high = values.min(), values.max()
    if np.issubdtype(values.dtype, np.integer):
        if low < 0 or high > 65535:
            raise Unfit(f"{name} holds whole numbers from {low} to {high}: give uint8 (0 to 255) or uint16 pixels.")
        dtype = np.uint8 if high <= 255 else np.uint16
        messages.append(f"{values.dtype} values from {low} to {high} taken as {np.dtype(dtype).name}")
        return values.astype(dtype)
    if not (np.isfinite(low) and np.isfinite(high)) or low < 0 or high > 1:
        raise Unfit(
            f"{name} holds floats from {low:.4g} to {high:.4g}: give uint8 pixels from 0 to 255, or floats from 0 to 1."
        )
    messages.append(f"floats from {low:.3g} to {high:.3g} scaled to uint8, 0 to 255")
    wide = values.astype(np.float32) if values.dtype == np.float16 else values  # whose products would be rounded
    scaled: Pixels = np.rint(wide * 255.0).astype(np.uint8)
    return scaled


def _channels_first(values: Pixels, from_torch: bool, messages: list[str]) -> Pixels:
    """(N, C, H, W). Where both readings are possible, torch's own is channels first and NumPy's channels last."""
    if values.ndim == 3:
        return values[:, None]
    first, last = values.shape[1] in _LAYOUT_CHANNELS, values.shape[3] in _LAYOUT_CHANNELS
    if first == last:
        first, last = values.shape[1] < values.shape[3], values.shape[3] < values.shape[1]
    if first == last:
        first = from_torch
        messages.append(f"shape {values.shape} read as {'(N, C, H, W)' if first else '(N, H, W, C)'}")
    return values if first else values.transpose(0, 3, 1, 2)


def _given_labels(labels: Any, count: int, name: str) -> tuple[Ids | None, tuple[str, ...]]:
    if labels is None:
        return None, ()
    if isinstance(labels, str):
        raise Unfit(f"labels: {name} has no column {labels!r}; give one label a row.")
    return given(labels, count, name)
