"""One shard: what is said of its rows, thumbnails of pictures, and digests that change with their content alone."""

import io
from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from kontrast.data.open import open_source
from kontrast.vector_index.build import build
from kontrast.vector_index.layout import Meta
from kontrast.vector_index.shards import Wanted


def pictures(sizes):
    return [Image.fromarray(np.full((*size, 3), 10 * number, np.uint8)) for number, size in enumerate(sizes)]


def built(folder, source):
    thumbnail = 24 if source.pictures is not None else 0
    wanted = Wanted(source, lambda _, ids: torch.eye(8)[torch.as_tensor(ids) % 8])
    return build(folder, Meta("m", "w", "d", len(source.ids), 8, 4, "float16", 1, thumbnail, wanted.text), wanted).index


def test_pictures_keep_a_thumbnail_of_at_most_the_asked_side(tmp_path):
    index = built(tmp_path / "i", open_source(pictures([(12, 12), (60, 30), (24, 24), (100, 400), (8, 9)])))
    seen = [Image.open(io.BytesIO(content)) for content in index.thumbnails(range(5))]
    assert [picture.size for picture in seen] == [(12, 12), (12, 24), (24, 24), (24, 6), (9, 8)]
    assert [picture.format for picture in seen] == ["PNG", "JPEG", "PNG", "JPEG", "PNG"]
    assert np.asarray(seen[2])[0, 0].tolist() == [20, 20, 20], "the thumbnail of its own row"
    assert index.meta.dtype == "float16" and index.vectors[0:5].dtype == np.float32


def test_columns_say_what_the_data_say(tmp_path):
    table = {"anchor": ["a", "b", "c"], "positive": ["x", "y", "z"], "split": ["train", "test", "train"]}
    index = built(tmp_path / "i", open_source(table))
    assert index.column("text") == ["a", "b", "c"] and index.column("positive") == ["x", "y", "z"]
    assert index.column("split") == ["train", "test", "train"] and index.thumbnails([0]) == [b""]


def test_half_letters_of_file_names_are_kept_as_bytes(tmp_path):
    source = open_source(["one", "two"])
    index = built(tmp_path / "i", replace(source, names=["caf\udce9.png", "two"]))
    assert index.column("name") == ["caf\\udce9.png", "two"]


def test_content_is_of_the_sample_not_of_its_place(tmp_path):
    first = built(tmp_path / "1", open_source(["a", "b", "c", "a"])).column("content")
    second = built(tmp_path / "2", open_source(["c", "a"])).column("content")
    assert first[0] == first[3] == second[1] and first[2] == second[0] and len(set(first)) == 3
