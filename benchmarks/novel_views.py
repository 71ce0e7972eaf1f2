"""Do novel views help? Ten objects, few photos each: the object is to be known from a side that no photo shows.

    python benchmarks/novel_views.py [--seeds 3] [--fit 100] [--steps 150] [--only ARM] [--shown]

Objects are of three to five solids in the colours of one palette (`solids.py`), twelve photos of 32 pixels each, all
from a third of the way around. Asked are 24 photos of each from elsewhere, every one more than 30 degrees from each
photo: which object is the nearest photo of (cosine, chance 10 %)?

crops      the photos, two crops of each                      photos   the photos, --same object
views      photos and 24 renders of each, --same object       pairs    the same, --same pair
real       photos and 24 true pictures from where the renders look, --same object: what perfect renders would bring

All arms take as many steps of as many pictures: SimCLR, the small encoder, the views of SimCLR's CIFAR runs. `crops`
knows no groups; all others know which pictures show one object (`pairs`: which two were made of one photo), so compare
`views` with `photos` for what renders bring. One line a run goes to results/, and an interrupted program goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

import kept
import kontrast
import solids
from kontrast.commands.views3d import views3d

OBJECTS, PHOTOS, ASKED, SIDE, DISTANCE, BATCH = 10, 12, 24, 32, 4.0, 60
ARMS = ("crops", "photos", "views", "pairs", "real")
PALETTE = ((0.85, 0.2, 0.15), (0.15, 0.35, 0.8), (0.9, 0.8, 0.2), (0.2, 0.6, 0.3))


def objects() -> list[list[solids.Solid]]:
    """Ten objects, all of four colours, so that colour alone does not tell them."""
    made = []
    for number in range(OBJECTS):
        draw = np.random.default_rng(number)
        parts = []
        for solid in solids.drawn(100 + number, count=3 + number % 3):
            one, two = draw.choice(len(PALETTE), 2, replace=False)
            parts.append(
                solids.Solid(solid.kind, solid.centre, solid.size, PALETTE[one], PALETTE[two], solid.axis, solid.width)
            )
        made.append(parts)
    return made


def given(seed: int) -> list[npt.NDArray[np.float64]]:
    """Poses of the photos: a third of the way around, a little above."""
    draw = np.random.default_rng(1000 + seed)
    return [at(around, draw.uniform(5, 35)) for around in np.linspace(0, 120, PHOTOS)]


def asked(seed: int) -> list[npt.NDArray[np.float64]]:
    """Poses of the questions: from elsewhere, more than 30 degrees from every photo."""
    draw = np.random.default_rng(2000 + seed)
    photos = np.array(given(seed))[:, :3, 3] / DISTANCE
    made: list[npt.NDArray[np.float64]] = []
    while len(made) < ASKED:
        pose = at(draw.uniform(-90, 210), draw.uniform(0, 60))
        if np.degrees(np.arccos(np.clip(photos @ pose[:3, 3] / DISTANCE, -1, 1))).min() > 30:
            made.append(pose)
    return made


def at(around: float, above: float) -> npt.NDArray[np.float64]:
    a, e = np.radians([around, above])
    return solids.pose(DISTANCE * np.array([np.cos(e) * np.cos(a), np.sin(e), np.cos(e) * np.sin(a)]), np.zeros(3))


def picture(parts: list[solids.Solid], pose: npt.NDArray[np.float64]) -> Image.Image:
    """What a camera sees of an object, before white."""
    colour, opacity, _ = solids.seen(parts, pose, SIDE, 1.1 * SIDE)
    white = colour * opacity[..., None] + 1 - opacity[..., None]
    return Image.fromarray(np.rint(white * 255).astype(np.uint8))


def rendered(place: Path, steps: int) -> tuple[Path, dict[str, object]]:
    """The folder of `views3d` of all objects, with true pictures beside the renders."""
    for number, parts in enumerate(objects()):
        solids.capture(place / "captures" / f"object{number}", parts, given(number), SIDE)
    out = place / "views"
    summary, _ = views3d(str(place / "captures"), str(out), views=ASKED, steps=steps, say=print)
    for number, parts in enumerate(objects()):
        (out / f"object{number}" / "real").mkdir()
        for frame in json.loads((out / f"object{number}" / "transforms.json").read_text())["frames"]:
            real = picture(parts, np.array(frame["transform_matrix"]))
            real.save(out / f"object{number}" / frame["file_path"].replace("views/", "real/"))
    return out, summary


def table(folder: Path, arm: str) -> Path:
    """The rows of an arm, in a table beside the pictures."""
    with open(folder / "metadata.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    if arm in ("crops", "photos"):
        rows = [row for row in rows if row["kind"] == "photo"]
    if arm == "real":
        rows = [row | {"file_name": row["file_name"].replace("/views/", "/real/")} for row in rows]
    path = folder / f"{arm}.csv"
    with open(path, "w", newline="") as file:
        written = csv.DictWriter(file, list(rows[0]))
        written.writeheader()
        written.writerows(rows)
    return path


def recall(model: kontrast.Model, folder: Path) -> float:
    """How often the nearest photo of a question shows its object."""
    bank = [
        [Image.open(path).copy() for path in sorted((folder / f"object{n}" / "photos").iterdir())]
        for n in range(OBJECTS)
    ]
    question = [[picture(parts, pose) for pose in asked(number)] for number, parts in enumerate(objects())]
    vectors = [model.embed([one for part in parts for one in part]) for parts in (bank, question)]
    b, q = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in vectors)
    nearest = (q @ b.T).argmax(1) // PHOTOS
    return float((nearest == np.repeat(np.arange(OBJECTS), ASKED)).mean())


def measured(folder: Path, arm: str, seed: int, steps: int) -> dict[str, object]:
    """One run and its recall, beside random weights."""
    same = {"crops": None, "pairs": "pair"}.get(arm, "object")
    rows = table(folder, arm).read_text().count("\n") - 1
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        words = {
            "views": "simclr-cifar",
            "batch_size": BATCH,
            "epochs": max(1, round(steps * BATCH / rows)),
            "seed": seed,
        }
        words |= {"same": same, "validate": "none", "say": lambda _: None, "out": f"{place}/run"}
        run = kontrast.train(table(folder, arm), method="simclr", encoder="small", **words)
    assert run.model is not None
    return {
        "arm": arm,
        "seed": seed,
        "steps": run.summary["steps"],
        "pictures": rows,
        "recall": recall(run.model, folder),
        "random": recall(run.model.random(seed), folder),
        "seconds": round(time.perf_counter() - began, 1),
    }


def told(rows: list[dict]) -> None:
    """Each arm beside `photos`, paired by seed."""
    by = {(row["arm"], row["seed"]): 100 * row["recall"] for row in rows}
    if rows:
        print(f"random weights {statistics.mean(100 * row['random'] for row in rows):.1f} %")
    for arm in ARMS:
        found = [by[arm, seed] for seed in sorted({s for a, s in by if a == arm})]
        gains = [by[arm, s] - by["photos", s] for a, s in sorted(by) if a == arm and ("photos", s) in by]
        if found:
            gain = (
                f"  beside photos {statistics.mean(gains):+.1f} ({min(gains):+.1f} to {max(gains):+.1f})"
                if gains
                else ""
            )
            print(f"{arm:8} recall {statistics.mean(found):.1f} % ({min(found):.1f} to {max(found):.1f}){gain}")


def main() -> None:
    """Render once, run what is missing, then say what came."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fit", type=int, default=100, help="steps of each field")
    parser.add_argument("--steps", type=int, default=150, help="of each run, about")
    parser.add_argument("--only", choices=ARMS)
    parser.add_argument("--shown", action="store_true", help="only say what was measured so far")
    said = parser.parse_args()
    setting = {"fit": said.fit, "asked": said.steps}
    rows = [row for row in kept.rows("novel_views") if {k: row[k] for k in setting} == setting]
    done = {(row["arm"], row["seed"]) for row in rows}
    left = [(arm, seed) for seed in range(said.seeds) for arm in ARMS if said.only in (None, arm)]
    if not said.shown and (left := [one for one in left if one not in done]):
        with tempfile.TemporaryDirectory() as place:
            folder, summary = rendered(Path(place), said.fit)
            fields = {name: summary[name] for name in ("psnr", "ssim", "sharpness", "views", "left_out")}
            for arm, seed in left:
                rows.append(setting | measured(folder, arm, seed, said.steps) | {"fields": fields})
                kept.add("novel_views", rows[-1])
    told(rows)


if __name__ == "__main__":
    main()
