"""12 bits in 16-bit files: the same white in training, in the model folder, in evaluation and in use."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from tests.data.hostile import encoded, png

import kontrast
from kontrast.commands.evaluate import evaluate
from kontrast.data.open import open_source
from kontrast.data.pixels.decode import to_depth
from kontrast.errors import Unfit
from kontrast.evaluate.suite import raw_pixels
from kontrast.positives.images import views
from kontrast.positives.images.papers import recipe
from kontrast.positives.images.view import Keys


def scans(n: int = 24, top: int = 4095, side: int = 12) -> npt.NDArray[np.uint16]:
    """Grey pictures (n, side, side) whose values all end in other low bits; the brightest is `top`."""
    made = np.random.default_rng(0).integers(0, top, (n, side, side)).astype(np.uint16)
    made[0, 0, 0] = top
    return made


def folder_of(pictures: npt.NDArray[np.uint16], root: Path) -> Path:
    root.mkdir()
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(root / f"{i:02}.png")
    return root


def test_twelve_bits_are_found_and_others_are_not(tmp_path: Path) -> None:
    for top, white in ((4095, 4095), (900, 4095), (4096, 65535), (65535, 65535)):
        files = open_source(folder_of(scans(top=top), tmp_path / str(top)))
        array = open_source(scans(top=top))
        for source in (files, array, open_source(tmp_path / str(top), memory=100)):
            assert (source.bits, source.highest, source.white) == (16, top, white)
    assert open_source("digits").white == 255
    assert open_source(scans(top=9000), white=16383).white == 16383
    with pytest.raises(Unfit, match=r"--white 4095 is too small: array has values up to 4,096"):
        open_source(scans(top=4096), white=4095)
    with pytest.raises(Unfit, match="8 bits"):
        open_source("digits", white=4095)


def test_what_the_cache_keeps_knows_the_brightest_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path / "cache"))
    data = folder_of(scans(top=5000), tmp_path / "d")
    first, second = (open_source(data, memory=100) for _ in range(2))
    assert first.highest == second.highest == 5000


def test_few_eight_bit_pictures_among_twelve_bit_ones_are_as_bright(tmp_path: Path) -> None:
    data = folder_of(scans(), tmp_path / "d")
    (data / "zz.png").write_bytes(encoded(Image.fromarray(np.full((12, 12), 255, np.uint8))))
    source = open_source(data)
    assert source.white == 4095 and (source.images([24]) == 4095).all()
    many = folder_of(scans(2), tmp_path / "m")
    for i in range(5):
        (many / f"z{i}.png").write_bytes(png(i, channels=1, height=12, width=12))
    mixed = open_source(many)
    assert mixed.white == 255 and mixed.images([0]).dtype == torch.uint8 and int(mixed.images([0])[0, 0, 0, 0]) == 255
    eight = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    assert np.array_equal(to_depth(to_depth(eight, np.uint16, 4095), np.uint8, 4095), eight)


@pytest.mark.parametrize("mode", ["fast", "exact"])
def test_views_and_raw_pixels_keep_every_step(mode: str) -> None:
    source = open_source(scans())
    made = views(source.images(source.ids), replace(recipe("none", 12, 1), white=source.white),
                 Keys(0, 0, source.ids), mode=mode)[0]  # fmt: skip
    torch.testing.assert_close(made[:, 0], torch.from_numpy(scans().astype(np.float32)) / 4095, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(raw_pixels(source, source.ids), made.flatten(1), atol=1e-6, rtol=1e-5)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run on 12-bit files, and the files."""
    data = folder_of(scans(40), tmp_path_factory.mktemp("twelve") / "d")
    out = data.parent / "run"
    said: list[str] = []
    kontrast.train(data, method="simclr", out=out, epochs=1, batch_size=16, threads=1, say=said.append)
    assert any("4,095 is white (12 bits)" in line for line in said)
    return data, out


def test_the_model_folder_gives_the_vectors_of_the_live_model(run: tuple[Path, Path], tmp_path: Path) -> None:
    data, out = run
    live = kontrast.load(out)
    assert live.look.white == 4095 and json.loads((out / "model" / "config.json").read_text())["white"] == 4095
    assert "4,095 is 1" in (out / "model" / "README.md").read_text()
    vectors = live.embed(data)
    np.testing.assert_allclose(live.embed(scans(40)), vectors, atol=1e-6)  # arrays as files
    dark = folder_of(scans(40)[1:3] // 8, tmp_path / "dark")  # alone they look like 9 bits
    theirs = tmp_path / "there.npy"
    code = f"""
import sys; sys.modules["kontrast"] = None
import numpy as np, torch
from pathlib import Path
from PIL import Image
from encoder import load, prepare
files = [path for folder in {[str(data), str(dark)]!r} for path in sorted(Path(folder).iterdir())]
pictures = torch.stack([prepare(Image.open(path)) for path in files])
pixels = torch.stack([prepare(torch.from_numpy(np.array(Image.open(path)))[None]) for path in files])
assert torch.equal(pictures, pixels)
with torch.no_grad():
    np.save({str(theirs)!r}, load()(pictures).numpy())
"""
    subprocess.run([sys.executable, "-c", code], cwd=out / "model", check=True)
    np.testing.assert_allclose(np.load(theirs), np.concatenate([vectors, live.embed(dark)]), atol=1e-5)


def test_beyond_white_is_refused_not_cut_off(run: tuple[Path, Path]) -> None:
    data, out = run
    with pytest.raises(Unfit, match=r"values up to 60,000, beyond the 4,095 that is white"):
        kontrast.load(out).embed(scans(3, top=60000))
    np.save(out.parent / "bright.npy", scans(12, top=5000))
    with pytest.raises(Unfit, match="beyond the 4,095"):
        kontrast.train(data, method="simclr", out=out.parent / "x", epochs=1, batch_size=16, say=lambda _: None,
                       validate=str(out.parent / "bright.npy"))  # fmt: skip
    eight = kontrast.load(out).embed((scans(3) // 16).astype(np.uint8))
    deep = kontrast.load(out).embed(scans(3))
    assert np.abs(eight - deep).max() < 0.1 * np.abs(deep).max()  # the same pictures in fewer steps


def test_evaluation_reads_against_the_models_white(run: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from kontrast.evaluate import view_retrieval as fresh

    seen: list[int | None] = []
    real = fresh.drawn
    monkeypatch.setattr(
        fresh,
        "drawn",
        lambda source, recipe, *key: (seen.append(recipe.white), real(source, recipe, *key))[1],
    )
    evaluate(run[1], scans(12, top=500), protocols=["views"])
    assert set(seen) == {4095}
