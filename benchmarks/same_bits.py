"""Whether a change of the source changed a bit: the same tiny runs by an old commit and by the source as it lies here.

    python benchmarks/same_bits.py OLD_COMMIT

Both sources are used through what users use: `kontrast.train(...)`, and `python -m kontrast train` for one run. Each
runs in a process of its own whose PYTHONPATH is that source; the old one is unpacked into a temporary folder. Runs:
every method and optimizer; groups (`--same`), chunks, other negatives, best weights, rows `a, b, label`; and a run that
the old source began and SIGTERM stopped inside an epoch, finished by both from the same checkpoint. Every finished run
is also repeated by the new source from the `config.yaml` that the old one wrote.

Compared, to the last bit: each tensor of model/ and of the last checkpoint (method, twin, queue, optimizer) by the
SHA-256 of its dtype, shape and bytes; each number of log.jsonl and summary.json but the times. What the old source
wrote must be there; keys that only the new log and summary have are named and are no difference. A tensor more or
less is one. Figures of an evaluation are compared where both have one version of its definitions. Exit code 1 on any
difference. Some two minutes on two cores.

The bits are compared on one machine, with its torch and one thread. Nothing is said about other machines.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent.parent
TIMES = ("seconds", "samples_per_second", "data_wait")
VERSION = "summary.json evaluation.about.version"  # of the definitions: figures of another are no difference
STOP = 8  # the step at which the run is stopped that both finish: inside its second epoch
SAMPLES, SIDE = 96, 20
NOUNS = "sun moon star rain snow wind leaf root seed bird fish wolf".split()  # noqa: SIM905

TINY = {"epochs": 2, "batch_size": 16, "threads": 1, "device": "cpu", "validate": "none"}
BEST = {"evaluate_every": 4}  # and the best weights go into the checkpoints
SMALL_HEAD = ["width=32", "hidden=48"]
PROTOTYPES = [*SMALL_HEAD, "prototypes=20", "frozen=2", "queue=32", "queue_from=0.1"]
RUNS: dict[str, dict[str, Any]] = {
    "simclr": {"data": "pictures", "method": "simclr", "labels": "folder", "validate": "pictures"},
    "moco": {"data": "pictures", "method": "moco", "set": ["queue=64", "bn_groups=4"], "optimizer": "sgd"},
    "moco-v2": {"data": "pictures", "method": "moco-v2", "set": ["queue=64", "bn_groups=4"], "view_mode": "exact"},
    "swav": {"data": "pictures", "method": "swav", "crops": "2x20+2x12", "set": PROTOTYPES, "optimizer": "lars"},
    "byol": {"data": "pictures", "method": "byol", "set": SMALL_HEAD},
    "barlow-twins": {"data": "pictures", "method": "barlow-twins", "set": SMALL_HEAD, "optimizer": "muon"},
    "clip": {"data": "pairs.csv", "method": "clip", "validate": "part"},
    "simcse": {"data": "sentences.txt", "method": "simcse", "set": ["mlm=0.1"], "validate": "part"},
    "static": {"data": "triplets.csv", "method": "simcse", "encoder": "static", "validate": "rows.csv", **BEST},
    "negatives": {"data": "pictures", "method": "simclr", "negatives": "queue:40+mixed:4+random:8+reweighted:1"},
    "rows of pictures": {"data": "picture-rows.csv", "method": "simclr", "views": "none", "validate": "part"},
    "rows of sentences": {"data": "rows.csv", "method": "simcse", "encoder": "static", "validate": "part"},
    "--same": {"data": "pictures", "method": "simclr", "same": "folder"},
    "--chunk": {"data": "pictures", "method": "byol", "set": SMALL_HEAD, "chunk": "6", "norm": "group"},
    "stopped": {"data": "pictures", "method": "moco-v2", "set": ["queue=64"], "epochs": 3},
}
DATA = {"data", "validate"}  # what names a file of ours
COMMAND = "digits --method simclr --epochs 1 --batch-size 256 --threads 1 --device cpu --validate none"
CHILD = """
import json, os, signal, sys, traceback
import kontrast
print(json.dumps(kontrast.__file__))
for name, words, stop in json.load(sys.stdin):
    def show(row, steps):
        if row["step"] == stop:
            os.kill(os.getpid(), signal.SIGTERM)
    try:
        kontrast.train(**words, show=show)
    except Exception as problem:
        traceback.print_exc()
        print(json.dumps([name, f"{type(problem).__name__}: {problem}"]), flush=True)
"""


def made(folder: Path) -> None:
    """Pictures in four folders, with captions; sentences, triplets; rows a, b, label of both. The same every time."""
    draw = np.random.default_rng(5)
    names = [f"pictures/{i % 4}/{i:02}.png" for i in range(SAMPLES)]
    texts = [" ".join(draw.choice(NOUNS, 5 + i % 3)) for i in range(SAMPLES)]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(folder / name)
    (folder / "sentences.txt").write_text("\n".join(texts))
    turned = texts[1:] + texts[:1]
    tables = {
        "pairs.csv": ("image,text", zip(names, texts)),
        "triplets.csv": ("anchor,positive,hard_negative", zip(texts, turned, texts[2:] + texts[:2])),
        "rows.csv": ("sentence1,sentence2,label", zip(texts, turned, "01" * SAMPLES)),
        "picture-rows.csv": ("a,b,label", zip(names, names[1:] + names[:1], "01" * SAMPLES)),
    }
    for name, (head, rows) in tables.items():
        (folder / name).write_text("\n".join([head, *map(",".join, rows)]))


def unpacked(commit: str, folder: Path) -> Path:
    """The source of a commit. Nothing is checked out, so git has nothing to forget afterwards."""
    packed = subprocess.run(["git", "-C", HERE, "archive", commit, "src"], check=False, capture_output=True)
    if packed.returncode:
        sys.exit(f"OLD_COMMIT {commit}: git has no source of it: {packed.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


class Source:
    """One state of the source, and where its runs go."""

    def __init__(self, tree: Path, work: Path) -> None:
        self.tree, self.work = tree, work
        self.failed: dict[str, str] = {}  # run -> why
        work.mkdir()

    def python(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """A process that sees this source, one thread, and no setting or cache of the user's."""
        seen = {name: value for name, value in os.environ.items() if not name.startswith("KONTRAST_")}
        seen |= {"PYTHONPATH": str(self.tree / "src"), "KONTRAST_CACHE": str(self.work / "cache")}
        seen |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, *words]
        return subprocess.run(
            command, check=False, input=given, cwd=self.work, env=seen, capture_output=True, text=True
        )

    def train(self, jobs: list[tuple[str, dict[str, Any], int]]) -> None:
        """Runs in one process: (name, keyword arguments of kontrast.train, step at which SIGTERM comes or 0)."""
        done = self.python("-c", CHILD, given=json.dumps(jobs))
        first, *rest = done.stdout.splitlines() or [""]
        if not first or not Path(json.loads(first)).is_relative_to(self.tree):
            sys.exit(f"The source in {self.tree} is not what was imported ({first}): {done.stderr[-500:]}")
        self.failed |= dict(json.loads(line) for line in rest)
        if done.returncode:
            self.failed |= {name: done.stderr[-500:] for name, _, _ in jobs if not self.finished(name)}

    def command(self) -> None:
        """The run from the command line."""
        done = self.python("-m", "kontrast", "train", *COMMAND.split(), "--out", str(self.out("command line")))
        if done.returncode:
            self.failed["command line"] = done.stderr[-500:]

    def out(self, name: str) -> Path:
        return self.work / name.replace(" ", "-").strip("-")

    def finished(self, name: str) -> bool:
        return (self.out(name) / "summary.json").is_file()


def begun(source: Source, data: Path) -> None:
    """Every run from its own words."""
    jobs = []
    for name, own in RUNS.items():
        words = TINY | own | {"out": str(source.out(name))}
        words |= {key: str(data / words[key]) for key in DATA if (data / words[key]).exists()}
        jobs.append((name, words, STOP if name == "stopped" else 0))
    source.train(jobs)
    source.command()


def finished(source: Source, old: Source, repeat: bool) -> None:
    """The stopped run of the old source, gone on with; and its runs from the config.yaml that they left."""
    jobs = []
    if old.finished("stopped"):
        source.failed["resumed"] = "the run was to be stopped and was not, so that nothing could be resumed"
    elif (old.out("stopped") / "config.yaml").is_file():
        shutil.copytree(old.out("stopped"), source.out("resumed"))
        jobs.append(("resumed", {"resume": str(source.out("resumed"))}, 0))
    for name in [*RUNS, "command line"] if repeat else ():
        if name != "stopped" and old.finished(name):
            config = str(old.out(name) / "config.yaml")
            jobs.append((f"{name} again", {"config": config, "out": str(source.out(f"{name} again"))}, 0))
    source.train(jobs)


def tensors(run: Path) -> dict[str, str]:
    """SHA-256 by name of all tensors in model/ and in the last checkpoint, a file or a folder of files."""
    last = sorted(path for path in (run / "checkpoints").glob("step-*") if path.suffix != ".part")[-1:]
    files = [file for place in (run / "model", *last) for file in sorted((place, *place.rglob("*")))]
    return {
        f"{file.relative_to(run)} {name}": digest
        for file in files
        if file.suffix == ".safetensors" and file.is_file()
        for name, digest in digests(file.read_bytes())
    }


def digests(content: bytes) -> Iterator[tuple[str, str]]:
    """Of one safetensors file: the size of a JSON header in 8 bytes, the header, the tensors."""
    begins = 8 + int.from_bytes(content[:8], "little")
    for name, about in sorted(json.loads(content[8:begins]).items()):
        if name != "__metadata__":
            start, end = about["data_offsets"]
            kind = f"{about['dtype']} {about['shape']} ".encode()
            yield name, hashlib.sha256(kind + content[begins + start : begins + end]).hexdigest()


def numbers(run: Path) -> dict[str, Any]:
    """Every key of log.jsonl and summary.json with its number; times and words count by their key alone."""
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    found = {f"log.jsonl line {n} {key}": value for n, row in enumerate(rows, 1) for key, value in row.items()}
    found |= {f"summary.json {key}": value for key, value in flat(json.loads((run / "summary.json").read_text()))}
    counted = {key: key.split()[-1] not in TIMES and not isinstance(value, str) for key, value in found.items()}
    return {key: repr(value) if counted[key] else None for key, value in found.items()}


def flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What a JSON object holds, as a.b.c and its value."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{name}.{key}".lstrip("."))
    else:
        yield name, value


def compared(old: Source, new: Source, name: str, other: str) -> tuple[bool, str]:
    """(equal, what to say) of the old source's run `name` and the new one's `other`."""
    for source, run, called in ((old, name, "old"), (new, other, "new")):
        if run in source.failed:
            return False, f"{called} source failed: {' '.join(source.failed[run].split())}"
        if not source.finished(run):
            return False, f"the {called} source left no finished run"
    (t, n), (u, m) = ((tensors(s.out(run)), numbers(s.out(run))) for s, run in ((old, name), (new, other)))
    if not any(key.startswith("model") for key in t) or not any(key.startswith("checkpoints") for key in t):
        return False, "nothing to compare: the old run has no model or no checkpoint"
    if n.get(VERSION) != m.get(VERSION):
        n, m = ({k: v for k, v in each.items() if not k.startswith("summary.json evaluation")} for each in (n, m))
    apart = [key for key in t | u if t.get(key) != u.get(key)]
    moved = [key for key in n if key not in m or n[key] != m[key]]
    told = [f"{len(apart)} of {len(t)} tensors differ, first {apart[0]}"] if apart else []
    told += [f"{len(moved)} of {len(n)} numbers differ, first {moved[0]}"] if moved else []
    added = sorted({key.split()[-1] for key in m.keys() - n.keys()})
    equal = f"equal: {len(t):3} tensors, {len(n):3} numbers" + (f"; new keys {', '.join(added)}" if added else "")
    return not told, "; ".join(told) or equal


def main() -> None:
    """Run both sources, compare, and say it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", metavar="OLD_COMMIT")
    commit = parser.parse_args().old
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the temporary folder goes then too
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(2) as both:
        work = Path(place).resolve()
        (work / "data").mkdir()
        made(work / "data")
        old = Source(unpacked(commit, work / "tree"), work / "old")
        new = Source(HERE, work / "new")
        list(both.map(lambda source: begun(source, work / "data"), (old, new)))
        list(both.map(lambda source: finished(source, old, repeat=source is new), (old, new)))
        whole = [name for name in (*RUNS, "command line") if name != "stopped"]
        pairs = [(name, name) for name in (*whole, "resumed")] + [(name, f"{name} again") for name in whole]
        results = {other: compared(old, new, name, other) for name, other in pairs}
    print(f"{commit} beside {HERE.name}; 'again': from the config.yaml that the old source wrote")
    for name, (equal, told) in results.items():
        print(f"{name:24} {'' if equal else 'DIFFERENT: '}{told}")
    differing = sum(not equal for equal, _ in results.values())
    print(f"{differing} of {len(results)} runs differ" if differing else f"all {len(results)} runs have the same bits")
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
