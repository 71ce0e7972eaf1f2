"""Files made by the ecosystem's own writers, read end to end: datasets, its imagefolder, and pandas."""

import gc
import io

import numpy as np
import pytest
from PIL import Image

from kontrast.data.open import open_source
from kontrast.errors import Unfit

datasets = pytest.importorskip("datasets", reason="datasets is not installed")
COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220), "white": (250, 250, 250)}


def pictures():
    return [Image.new("RGB", (9, 7), colour) for colour in COLOURS.values()]


def test_pairs_saved_to_disk_with_splits(tmp_path):
    columns = {"image": pictures(), "captions": [[f"a {name} one", name] for name in COLOURS], "label": [0, 1, 0]}
    features = datasets.Features(
        {"image": datasets.Image(), "captions": datasets.Sequence(datasets.Value("string")),
         "label": datasets.ClassLabel(names=["odd", "even"])}
    )  # fmt: skip
    whole = datasets.Dataset.from_dict(columns, features=features)
    datasets.DatasetDict({"train": whole, "test": whole.select([2, 0])}).save_to_disk(tmp_path / "kept")
    source = open_source(tmp_path / "kept")
    assert source.kind == "pairs" and len(source.ids) == 5 and source.classes == ("odd", "even")
    assert source.captions([1]) == [["a blue one", "blue"]]
    np.testing.assert_array_equal(source.images([4])[0][:, 0, 0], COLOURS["red"])
    assert list(source.splits["test"]) == [3, 4] and any("splits train, test" in line for line in source.messages)


def test_a_shuffled_dataset_keeps_its_order(tmp_path):
    texts = [f"sentence number {n}" for n in range(20)]
    shuffled = datasets.Dataset.from_dict({"text": texts}).shuffle(seed=1)
    shuffled.save_to_disk(tmp_path / "kept")
    source = open_source(tmp_path / "kept")
    assert source.kind == "texts" and source.texts(source.ids) == shuffled["text"][:] != texts
    next((tmp_path / "kept").glob("*.arrow")).write_bytes(b"no arrow")
    with pytest.raises(Unfit, match="cannot be read as a saved dataset"):
        open_source(tmp_path / "kept")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # datasets leaves the table open
def test_an_imagefolder_reads_the_same_as_datasets_does(tmp_path):
    rows = ["file_name,text"]
    for name, picture in zip(COLOURS, pictures()):
        picture.save(tmp_path / f"{name}.png")
        rows.append(f"{name}.png,a {name} one")
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    theirs = datasets.load_dataset("imagefolder", data_dir=str(tmp_path), split="train", cache_dir=tmp_path / "cache")
    gc.collect()  # here, where what datasets leaves open is forgiven
    ours = open_source(tmp_path)
    assert sorted(theirs["text"][:]) == sorted(ours.texts(ours.ids))
    told = {text: np.asarray(picture) for text, picture in zip(theirs["text"][:], theirs["image"][:])}
    for text, picture in zip(ours.texts(ours.ids), ours.images(ours.ids)):
        np.testing.assert_array_equal(picture.permute(1, 2, 0).numpy(), told[text])


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_triplets_written_by_pandas(tmp_path, ending):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame(
        {
            "anchor": ['she said "yes", twice', "zwei\nZeilen"],
            "positive": ["yes; yes", "Ä"],
            "hard_negative": ["no", "c"],
        }
    )
    path = tmp_path / f"t.{ending}"
    if ending == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif ending == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    source = open_source(path)
    assert source.kind == "triplets"
    assert source.texts([0, 1], "anchor") == frame["anchor"].tolist()
    assert source.texts([0, 1], "negative") == ["no", "c"]


def test_missing_pictures_and_empty_captions_are_named(tmp_path):
    buffer = io.BytesIO()
    pictures()[0].save(tmp_path / "a.png")
    pictures()[1].save(buffer, "png")
    (tmp_path / "b.png").write_bytes(buffer.getvalue())
    (tmp_path / "t.csv").write_text("filepath,title\na.png,one\ngone.png,two\nb.png,\n")
    source = open_source(tmp_path / "t.csv")
    assert list(source.ids) == [0]
    told = {skipped.name: skipped.reason for skipped in source.skipped}
    assert len(told) == 2 and any("gone.png" in name for name in told) and any("empty" in why for why in told.values())
