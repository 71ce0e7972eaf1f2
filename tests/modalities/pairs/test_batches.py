"""Batches of pictures and captions: what they hold, what they name, and that they are a function of the step."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from kontrast.data.open import open_source
from kontrast.data.sampler import Sampler
from kontrast.encoders.clip import bpe
from kontrast.errors import Unfit
from kontrast.modalities.images.batches import ImageBatches
from kontrast.modalities.pairs.batches import PairBatches, picture_names
from kontrast.positives.images import papers

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pytest.importorskip("tokenizers", reason="tokenizers is not installed")
CAPTIONS = [
    ["a red dot", "a dot that is red"], ["a blue dot"], ["a red dot"], ["one", "two", "three"],
    ["a green dot on the left of it all, and then some more words than fit"], ["a blue dot"], ["six"], ["seven"],
]  # fmt: skip


@pytest.fixture
def source(tmp_path):
    cells = []
    for shade in (0, 20, 40, 60, 80, 120, 120, 140):  # samples 5 and 6 are the same picture
        buffer = io.BytesIO()
        Image.fromarray(np.full((8, 8, 3), shade, np.uint8)).save(buffer, "png")
        cells.append({"bytes": buffer.getvalue(), "path": f"{len(cells)}.png"})
    table = pa.table({"image": cells, "captions": CAPTIONS})
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "pairs.parquet")
    return open_source(tmp_path / "pairs.parquet")


def batches(source, rank=0, processes=1):
    flat = [caption for several in CAPTIONS for caption in several]
    words = bpe.learned(flat * 2, context=10)
    recipe = papers.recipe("clip", 8, 3)
    return PairBatches(ImageBatches(source, Sampler(source.ids, 4, 5, 40, rank, processes), recipe), words), words


def test_each_picture_comes_with_one_of_its_own_captions_keyed_by_epoch(source):
    made, words = batches(source)
    told = [{tuple(words([caption])[0].tolist()) for caption in several} for several in CAPTIONS]
    seen = [set() for _ in CAPTIONS]
    for step in range(40):
        batch = made(step)
        for row, sample in enumerate(made.images(step).ids_B.tolist()):
            ids = [i for i in batch.views[1]["input_ids"][row].tolist() if i != words.pad_id]
            assert tuple(ids) in told[sample]
            seen[sample].add(tuple(ids))
    assert seen == told  # over twenty epochs every caption is used
    chosen = source.texts(source.ids, seed=5, epoch=3)
    all_of_them = [caption for several in source.captions(source.ids) for caption in several]
    assert [all_of_them[k] for k in made.chosen(source.ids, 3)] == chosen


def test_a_batch_is_a_function_of_its_step_and_processes_share_it(source):
    (first, _), (again, _) = batches(source), batches(source)
    again(3)
    whole = again(1)
    parts = [batches(source, rank=rank, processes=2)[0](1) for rank in range(2)]
    assert torch.equal(first(1).views[0], whole.views[0]) and torch.equal(first(1).groups_B, whole.groups_B)
    assert torch.equal(torch.cat([part.groups_B for part in parts]), whole.groups_B)
    assert torch.equal(torch.cat([part.views[0] for part in parts]), whole.views[0])


def test_equal_captions_and_equal_pictures_have_equal_names(source):
    made, words = batches(source)
    names = picture_names(source)
    assert names[5] == names[6] and len(set(names.tolist())) == len(CAPTIONS) - 1
    pairs = {}
    for step in range(40):
        batch = made(step)
        for name, ids in zip(batch.groups_B.tolist(), batch.views[1]["input_ids"].tolist()):
            pairs.setdefault(name, set()).add(tuple(i for i in ids if i != words.pad_id))
    assert all(len(ids) == 1 for ids in pairs.values())
    assert len(pairs) == len({caption for several in CAPTIONS for caption in several})


def test_rules_change_captions_and_name_what_they_became(source):
    """A caption changed by rule bears the name of the true caption that it equals; what nothing changes has none."""
    captions = [["left of it"], ["right of it"], ["a dot"], ["above it", "below it"], ["over it"], ["inside"]]
    source = replace(source, columns={"text": [*captions, [""], [""]]}, ids=source.ids[:6])
    words = bpe.learned([caption for several in captions for caption in several] * 2, context=10)
    recipe = papers.recipe("clip", 8, 3)
    made, *halves = (
        PairBatches(ImageBatches(source, Sampler(source.ids, 6, 5, 40, *share), recipe), words, rules=("relation",))
        for share in ((0, 1), (0, 2), (1, 2))
    )
    assert any("the rules change 6 of the first 7 captions" in line for line in made.messages)

    def plain(ids_T):
        return tuple(i for i in ids_T.tolist() if i != words.pad_id)

    batch = made(0)
    true = {plain(ids): int(name) for ids, name in zip(batch.views[1]["input_ids"], batch.names_B)}
    found = {plain(ids): int(name) for ids, name in zip(batch.others.views[0]["input_ids"], batch.others.names_B)}
    expected = {plain(words([text])[0]) for text in ("left of it", "right of it", "under it", "outside")}
    assert set(found) == expected  # nothing turns a dot round, and below it is true of the picture above it
    assert {name for ids, name in found.items() if ids in true} == {true[ids] for ids in expected & set(true)}
    assert len(expected & set(true)) == 2 and {name for ids, name in found.items() if ids not in true} == {-1}
    names = torch.cat([half(0).others.names_B for half in halves])
    assert torch.equal(names, batch.others.names_B)
    with pytest.raises(Unfit, match="changes none of the first 7 captions"):
        PairBatches(ImageBatches(source, Sampler(source.ids, 6, 5, 40), recipe), words, rules=("number",))


def test_what_is_cut_for_its_length_is_said(source):
    made, _ = batches(source)
    assert made.messages[0].startswith("1 of 11 captions are longer than 10 tokens")
