"""Each method, made wrong in the ways that people make it wrong: the tests of this folder must notice every one.

A mutant is a textual patch of a copy of the package; the fast tests run on the copy in a process of their own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = HERE.parent.parent / "src"
MUTANTS = {
    "methods/simclr.py": {
        "groups are forgotten": ("ids_B=name_B", "ids_B=None"),
        "half the sharpness": ("temperature=c.temperature,", "temperature=2 * c.temperature,"),
        "the positive is left out": ("decoupled=c.decoupled, ids_B", "decoupled=True, ids_B"),
        "only one row answers": ("rows=z.rows", "rows=slice(0, 1)"),
        "every process answers for all rows": ("rows=z.rows", "rows=None"),
        "guessing counts one candidate too many": ("positives=V - 1", "positives=V"),
        "first views are queued": ('push(z["views"][1]', 'push(z["views"][0]'),
        "views see BatchNorm apart": (
            "self.projector(features_VBH.flatten(0, 1)).unflatten(0, features_VBH.shape[:2])",
            "__import__('torch').stack([self.projector(f) for f in features_VBH])",
        ),
    },
    "methods/moco.py": {
        "own older keys are negatives": ("query_ids_Q=z.names_B", "query_ids_Q=None"),
        "the queue moves between the two losses": (
            "            guessing += ",
            "            self.negatives.push(key_ABD[a], z.names_B, z.step)\n            guessing += ",
        ),
        "the twin moves twice": (
            "        key_ABD = z",
            "        self.twin.follow(nn.Sequential(self.encoder, self.projector), self.config.momentum)\n"
            "        key_ABD = z",
        ),
        "the twin is nearly the encoder": ("self.projector), self.config.momentum)", "self.projector), 0.01)"),
        "keys are not shuffled": ("norm.shuffled(self.twin, view, batch.seed, batch.step, v)", "self.twin(view)"),
        "one BatchNorm group": ("groups=config.bn_groups", "groups=1"),
        "one key set of two is queued": (
            "push(key_ABD.flatten(0, 1), z.names_B.repeat(len(key_ABD)), z.step)",
            "push(key_ABD[0], z.names_B, z.step)",
        ),
        "a query against its own view's key": ("if q != a or not c.symmetric", "if q == a"),
    },
    "methods/swav.py": {
        "prototypes are never put back": (
            "            self._to_unit_length()\n        z =",
            "            pass\n        z =",
        ),
        "prototypes are not frozen": ("frozen_until=self.config.frozen", "frozen_until=0"),
        "the queue is used before it is full": (" and self.queue.full()", ""),
        "codes of the other crop's queue": ("chunk(CODES, dim=1)[a]", "chunk(CODES, dim=1)[1 - a]"),
        "the queue fills from the start": (
            " and progress.step > self.config.queue_from * progress.total",
            "",
        ),
        "codes as soft as predictions": ("epsilon=self.config.epsilon", "epsilon=self.config.temperature"),
        "scores of rows that are not of unit length": ('unit(z["views"])\n', 'z["views"]\n'),
        "every process answers for all rows": ("rows=z.rows", "rows=None"),
    },
    "methods/byol.py": {
        "the predictor on the target": ("self.twin(view) for", "self.predictor(self.twin(view)) for"),
        "no stop-gradient": ("self.twin(view) for", "self.projector(self.encoder(view)) for"),
        "each view predicts itself": ("if v != a]", "if v == a]"),
        "half the loss": ("/ (len(prediction_VBD) - 1)", "/ len(prediction_VBD)"),
        "the schedule is a step ahead": ("progress.step - 1", "progress.step"),
        "the momentum never grows": ("keep = keep_at(", "keep = self.config.momentum + 0 * keep_at("),
        "every process answers for all rows": ("rows=z.rows", "rows=None"),
    },
    "methods/barlow_twins.py": {
        "no weight on the off-diagonal": ("off_diagonal_weight=weight, rows", "off_diagonal_weight=1.0, rows"),
        "a view against itself": ("losses.barlow_twins(first_BD, other_BD", "losses.barlow_twins(first_BD, first_BD"),
        "1 / processes is forgotten": ("rows=z.rows", "rows=None"),
        "biases learn as fast as weights": ("scale=self.config.bias_rate", "scale=1.0"),
        "both views through one BatchNorm": (
            "features = [self.encoder(view) for view in batch.views]",
            "features = self.encoder(torch.cat(batch.views)).chunk(len(batch.views))",
        ),
        "guessing without its weight": ("width=D, off_diagonal_weight=weight", "width=D, off_diagonal_weight=1.0"),
    },
    "methods/clip.py": {
        "the temperature is never clipped": ("clamp_(0.0, math.log(self.config.largest_scale))", "float()"),
        "clipped at e^100": (
            "clamp_(0.0, math.log(self.config.largest_scale))",
            "clamp_(0.0, self.config.largest_scale)",
        ),
        "the scale is taken for the temperature": ("torch.exp(-scale.to(", "torch.exp(scale.to("),
        "equal captions are pushed apart": ('"groups_B": z.groups_B}', '"groups_B": None}'),
        "one direction twice": ("for way in ways)", "for way in ways[:1] * 2)"),
        "captions in the pictures' queue": ('self.images.push(z["image"]', 'self.images.push(z["text"]'),
        "the temperature decays": ("return groups(self)", "return [Group(list(self.parameters()))]"),
        "a locked tower learns": ("encoder.lock(*config.lock.split())", "pass"),
    },
    "methods/simcse.py": {
        "both passes under one mask": ("row_keys(*key, number)", "row_keys(*key, 0)"),
        "the own hard negative counts twice": ("query_groups_Q=own_B", "query_groups_Q=None"),
        "the own hard negative has no weight": (" + c.hard_weight)", ")"),
        "the positive is left out": ("F.softplus(loss_R) if hard", "loss_R if hard"),
        "equal sentences are pushed apart": ("query_ids_Q=name_B", "query_ids_Q=None"),
        "every process answers for all rows": ("rows=z.rows", "rows=None"),
        "masked words weigh 1": ("loss + c.mlm * words_B2", "loss + words_B2"),
        "guessing forgets the hard negatives": ("count_B = count_B + len(hard) * (len(name_B) - 1)", "pass"),
    },
    "negatives/queue.py": {
        "the pointer stands still": ("        self.pushed += B\n", ""),
        "names are not kept": ("        self.names_K[place] = name_B[last]\n", ""),
        "the first rows of a large batch are kept": ("slice(max(0, B - K), B)", "slice(0, min(B, K))"),
        "the pointer goes back to 0": ("(self.pushed + torch.arange(B", "(0 * self.pushed + torch.arange(B"),
        "the age is not known": ("        self.came_K[place] = step\n", ""),
        "it starts as nothing": ("nn.functional.normalize(rows_KD)", "torch.zeros_like(rows_KD)"),
    },
    "negatives/hard.py": {
        "own keys are mined": ("score_QK.masked_fill(name_Q[mine, None] == name_K, -torch.inf)", "score_QK"),
        "the easiest are mined": (
            "score_QK.topk(top + skip, dim=1)",
            "score_QK.topk(top + skip, dim=1, largest=False)",
        ),
        "the margin is on the wrong side": ("limit_Q1 - absolute_margin", "limit_Q1 + absolute_margin"),
        "the hardest are not skipped": ("[:, skip:]\n", "[:, : len(places)]\n".replace("len(places)", "top")),
        "mixed points are not of unit length": ("return unit(torch.lerp(", "return (torch.lerp("),
        "mixed beyond the middle to the query": ("share[:, :, None] / 2, share", "share[:, :, None], share"),
    },
}
TESTS = {"methods/clip.py": ["methods/test_clip.py"], "methods/simcse.py": ["methods/test_simcse.py"],
         "negatives/queue.py": ["negatives"], "negatives/hard.py": ["negatives"]}  # fmt: skip
CASES = [(file, name) for file, mutants in MUTANTS.items() for name in mutants]


def run(package, tests):
    environment = {**os.environ, "PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "not proof",
        *map(str, tests),
    ]
    return subprocess.run(command, env=environment, cwd=HERE.parent.parent, capture_output=True, text=True, check=False)


@pytest.mark.proof
@pytest.mark.parametrize(("file", "name"), CASES, ids=[f"{file}: {name}" for file, name in CASES])
def test_the_tests_notice(file, name, tmp_path):
    package = tmp_path / "src"
    shutil.copytree(SOURCE, package, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    path, (old, new) = package / "kontrast" / file, MUTANTS[file][name]
    text = path.read_text()
    assert text.count(old) >= 1, f"the patch of {file} no longer fits: {old!r}"
    path.write_text(text.replace(old, new))
    done = run(package, [HERE.parent / tests for tests in TESTS.get(file, ["methods"])])
    assert done.returncode == 1, f"nobody noticed: {name}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


@pytest.mark.parametrize("file", MUTANTS)
def test_the_patches_fit(file):
    text = (SOURCE / "kontrast" / file).read_text()
    assert len(MUTANTS[file]) >= 6
    for name, (old, new) in MUTANTS[file].items():
        assert old in text and old != new, f"{name}: {old!r}"
