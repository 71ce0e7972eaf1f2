"""A method from a file of the user's: read, refused in a sentence, trained, kept, and never run unless it is named."""

import json
import os
import shutil
import signal
import sys

import numpy as np
import pytest
import yaml

import kontrast
from kontrast import methods, verify
from kontrast.cli import main
from kontrast.errors import Unfit
from kontrast.methods import outside
from kontrast.recipes.listing import about
from kontrast.recipes.resolve import planned
from kontrast.recipes.rules import Facts
from kontrast.settings import Settings
from kontrast.training import checkpoints
from kontrast.verify import contract, multiprocess

TOY = '''"""Toy: two views agree, and no two samples do."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from kontrast.methods.method import Embeddings, Outcome, groups


@dataclass(frozen=True)
class Config:
    width: int = 8  # of the head; nobody's
    push: float = 0.5  # how hard


class Toy(nn.Module):
    def __init__(self, encoder, width, config=Config(), *, seed=0):
        super().__init__()
        self.config, self.encoder = config, encoder
        self.head = nn.Linear(width, config.width)  # draws from torch's own generator

    def embed(self, batch):
        features = [self.encoder(view) for view in batch.views]
        return Embeddings.of(batch, features[0], views=torch.stack([self.head(each) for each in features]))

    def compare(self, z):
        first, second = nn.functional.normalize(z["views"][:2], dim=-1)
        share = len(first[z.rows]) / len(first)
        loss = (first - second).square().sum(1).mean() + self.config.push * (first @ first.T).square().mean()
        return Outcome(share * loss, None, z, (first.detach(), second.detach()))

    def after_step(self, outcome, progress):
        pass

    def parameter_groups(self):
        return groups(self)
'''
QUICK = {"epochs": 2, "batch_size": 256, "threads": 1, "validate": "none", "precision": "fp32"}
DIGITS = Facts(1_437, 8, 1, False, False)


@pytest.fixture
def toy(tmp_path):
    path = tmp_path / "my_toy.py"
    path.write_text(TOY)
    return path


def changed(path, *pairs):
    """The toy with some of its text replaced."""
    text = TOY
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return str(path)


def test_a_method_is_found_by_its_file_its_class_or_its_module(toy, monkeypatch):
    monkeypatch.syspath_prepend(toy.parent)
    for name in (str(toy), f"{toy}:Toy", "my_toy:Toy"):
        entry = methods.entry(name)
        assert (entry.made_by, entry.kind, entry.line) == (
            "Toy",
            "images",
            "Toy: two views agree, and no two samples do",
        )
        assert entry.outside.name == "my-toy" and entry.outside.reference.endswith(":Toy")
        assert methods.numbers(name) == [("width", "8", "of the head; nobody's"), ("push", "0.5", "how hard")]
    assert not list(toy.parent.glob("__pycache__/my_toy.kontrast*")) and "numbers of my-toy" in about(str(toy))
    sys.modules.pop("my_toy")


def test_reading_a_file_leaves_nothing_beside_it(toy):
    methods.entry(str(toy))
    assert [path.name for path in toy.parent.iterdir()] == ["my_toy.py"]


def test_an_installed_package_offers_its_methods_by_name(toy, monkeypatch):
    shutil.copy(toy, toy.parent / "installed_toy.py")
    info = toy.parent / "installed_toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: installed-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[kontrast.methods]\nplaything = installed_toy:Toy\n")
    monkeypatch.syspath_prepend(toy.parent)
    assert outside.installed()["plaything"] == "installed_toy:Toy"
    assert methods.entry("plaything").outside.name == "plaything"
    assert planned(Settings(method="plaything"), DIGITS).settings.method == "installed_toy:Toy"
    sys.modules.pop("installed_toy")


BAD = {
    "no such file": (None, "cannot be read: No such file"),
    "no python": (("def embed(self, batch):", "def embed(self, batch:"), "line 25: this is no Python"),
    "fails while it is read": (("class Toy", "1 / 0\n\n\nclass Toy"), r"cannot be loaded: ZeroDiv.*\(line 19\)"),
    "leaves": (("class Toy", "raise SystemExit(3)\n\n\nclass Toy"), "cannot be loaded: SystemExit"),
    "no card": (('"""Toy: two views agree, and no two samples do."""', ""), "the file has no card"),
    "a verb is missing": (("def compare", "def compares"), "compare, after_step: Toy lacks compare"),
    "no groups": (("def parameter_groups", "def grouped"), "lacks parameter_groups"),
    "two methods": (("\n\nclass Toy", "\n\nclass Toy"), "holds 2 methods; say which"),
    "not frozen": (("(frozen=True)", ""), "`Config` must be a frozen dataclass"),
    "no Config": (("class Config", "class Numbers"), "cannot be loaded: NameError: name 'Config' is not defined"),
    "no default": (("frozen=True", "frozen=True, kw_only=True", "int = 8", "int", "=Config()", ""), "needs a default"),
    "a setting's name": (("push: float", "lr: float"), "Config.lr has the name of a setting"),
    "no plain number": (("push: float = 0.5", "push: tuple = (1, 2)"), "Config.push is a tuple"),
    "no module": (("class Toy(nn.Module)", "class Toy"), "must be a torch.nn.Module"),
    "other arguments": (("*, seed=0", "*, depth"), r"made as Toy\(encoder, width, config, seed=0\)"),
    "a verb of other arguments": (("def embed(self, batch)", "def embed(self)"), r"asked embed\(batch\)"),
    "a kind there is not": (("    def __init__", '    kind = 3\n\n    def __init__'), "kind must be a word"),
    "fails when made": (("super().__init__()", "super().__init__(); 1 / 0"), r"Toy\(...\) fails .*Zero.*line 21"),
    "embeds nothing": (("return Embeddings.of", "return dict"), "embed fails|embed must return Embeddings"),
    "embeds a list": (("features = [self", "return [self"), "embed must return Embeddings"),
    "loses rows": (("torch.stack([self.head(each)", "torch.stack([self.head(each)[1:]"), "must be .*B = 25 rows, got"),
    "compares to a number": (("return Outcome(share * loss, None, z,", "return 3, ("), "must return an Outcome"),
    "no gradient": (("Outcome(share * loss,", "Outcome(loss.detach(),"), "one number, with a gradient"),
    "impure": (("share = len", "self.head.bias.data += 1\n        share = len"), "compare is not pure"),
    "groups of another kind": (("return groups(self)", "return [dict(params=[])]"), "list of Group"),
    "no recipes": (("\n\nclass Toy", "\nRECIPES = 5\n\n\nclass Toy"), "RECIPES must be a dict of functions"),
    "no recipe": (("class Toy", "RECIPES = {'cifar10': dict}\n\n\nclass Toy"), "must return kontrast.Settings, got"),
    "wrong rules": (("class Toy", "def rules(scale): return {'widht': (3, '')}\n\n\nclass Toy"), "'widht'; did you"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD)
def test_a_file_that_breaks_the_contract_is_told_before_the_work(fault, tmp_path):
    change, sentence = BAD[fault]
    path = tmp_path / "bad.py"
    if change is not None:
        changed(path, *zip(change[::2], change[1::2]))
    if fault == "two methods":
        path.write_text(TOY + "\n\nclass Second(Toy):\n    pass\n")
    with pytest.raises(Unfit, match=sentence):
        contract.admitted(str(path))
        planned(Settings(method=str(path)), DIGITS)


@pytest.mark.parametrize(
    "name,sentence",
    [("{}:Tooy", "did you mean 'Toy'"), ("simclrr", "did you mean 'simclr'"), ("no.where:Toy", "cannot be imported")],
)
def test_a_name_that_leads_nowhere_is_told(name, sentence, toy):
    with pytest.raises(Unfit, match=sentence):
        methods.entry(name.format(toy))


def test_what_the_file_leaves_open_is_said_and_its_numbers_take_set(toy):
    said = []
    run = kontrast.train("digits", method=str(toy), dry_run=True, set=["push=2"], say=said.append, **QUICK)
    told = "\n".join(said)
    assert "your own code, SHA-256" in told and "the class says no kind" in told and "states no guessing value" in told
    assert "none of its own, that of simclr stands in" in told
    assert run.plan.config.push == 2.0 and run.plan.name == "my-toy"
    with pytest.raises(Unfit, match="'pusch' is not a field"):
        planned(Settings(method=str(toy), set=["pusch=2"]), DIGITS)
    with pytest.raises(Unfit, match="--temperature means nothing"):
        planned(Settings(method=str(toy), temperature=0.2), DIGITS)


def test_its_own_recipe_and_rules_are_followed(tmp_path):
    own = """
from kontrast import Settings
def small(): return Settings(optimizer="sgd", lr=0.5, batch_size=100, set=["push=0.25"])
def rules(scale): return {"width": (scale.batch // 64, "one for 64 rows")}
RECIPES = {"small": small}
"""
    path = changed(
        tmp_path / "own.py",
        ("\n\nclass Toy", f"{own}\n\nclass Toy"),
        ("push: float", "temperature: float = 0.7\n    push: float"),
    )
    plan = planned(Settings(method=path, optimizer="sgd"), DIGITS)
    assert plan.config.push == 0.25 and plan.config.width == 4 and plan.settings.lr == 0.5 * 256 / 100
    assert plan.config.temperature == 0.7, "a number of the file's is not replaced by a rule of ours"
    assert plan.recipe == "own, small" and "recipe small" in about(path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of the toy, whole."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "my_toy.py").write_text(TOY)
    run = kontrast.train(
        "digits", method=str(folder / "my_toy.py"), out=str(folder / "run"), say=lambda _: None, **QUICK
    )
    assert run.summary["method"] == "my-toy"
    return folder


def test_a_run_keeps_the_text_and_its_hash_and_is_used_without_it(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished / "run", run)
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert (run / "method.py").read_text() == TOY
    assert config["method_sha256"] == methods.entry(str(finished / "my_toy.py")).outside.sha256
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert rows and not any("guessing" in row for row in rows)
    (run / "method.py").write_text("raise SystemExit(9)")
    config["method"]["name"] = "/nowhere/my_toy.py:Toy"
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert kontrast.load(run).embed("digits").shape[1] == 128
    for words in (["embed", run, "digits", "-o", tmp_path / "v.npy"], ["search", run, "digits", "--query", "0"],
                  ["evaluate", run, "digits", "--kmeans"]):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        assert not ended.value.code, words


def test_code_runs_only_when_it_is_named(finished, tmp_path, monkeypatch, capsys):
    """A run folder, a configuration, an environment of somebody else's: none of them runs a file."""
    run = tmp_path / "run"
    shutil.copytree(finished / "run", run)
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n{TOY}")
    shutil.copy(trap, run / "method.py")
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["method"]["name"] = f"{trap}:Toy"
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    for words in (["--resume", run], ["--config", run / "config.yaml", "--out", tmp_path / "new"]):
        with pytest.raises(SystemExit) as ended:
            main(["train", *map(str, words)])
        assert ended.value.code == 2 and "runs only when you name it" in capsys.readouterr().err
    monkeypatch.setenv("KONTRAST_METHOD", str(trap))
    with pytest.raises(Unfit, match="KONTRAST_METHOD names the method"):
        kontrast.train("digits", say=lambda _: None, **QUICK)
    assert not (tmp_path / "sprung").exists()


def test_a_resume_with_another_text_or_class_is_refused(finished, tmp_path):
    other = changed(tmp_path / "my_toy.py", ("push: float = 0.5", "push: float = 0.6"))
    with pytest.raises(Unfit, match=r"has another text than the one that .* was begun with"):
        kontrast.train(resume=finished / "run", method=other)
    with pytest.raises(Unfit, match="these differ: method simclr"):
        kontrast.train(resume=finished / "run", method="simclr")
    (tmp_path / "moved.py").write_text(TOY)
    said = []
    kontrast.train(resume=finished / "run", method=str(tmp_path / "moved.py"), say=said.append)
    assert "finished already" in said[-1]


def _train(words, kill_at=-1):
    def show(row, steps):
        if row["step"] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    kontrast.train(show=show, say=lambda _: None, **words)


def test_a_killed_run_goes_on_to_the_same_bits(toy, tmp_path):
    words = {**QUICK, "epochs": 4, "method": str(toy)}
    _train({**words, "data": "digits", "out": str(tmp_path / "whole")})
    cut = {**words, "data": "digits", "out": str(tmp_path / "cut")}
    child = multiprocess.warm().Process(target=_train, args=(cut, 13))  # in the third of four epochs of five steps
    child.start()
    child.join(240)
    assert child.exitcode == -signal.SIGKILL
    kontrast.train(resume=tmp_path / "cut", method=str(toy), say=lambda _: None)
    ends = [checkpoints.load(checkpoints.found(tmp_path / run / "checkpoints")[-1])[0] for run in ("whole", "cut")]
    assert ends[0].keys() == ends[1].keys() and any("head" in name for name in ends[0])
    assert all(np.array_equal(ends[0][name].numpy(), ends[1][name].numpy()) for name in ends[0])


def test_weights_drawn_by_torch_follow_from_the_seed(toy, tmp_path):
    """Two processes that built different heads would train two models, and no one would see it."""
    from kontrast.run import start
    from kontrast.run.plan import planned_on

    heads = []
    for _ in range(2):
        plan, samples = planned_on("digits", Settings(method=str(toy), **QUICK))
        heads.append(start.put_together(plan, samples, None).method.head.weight)
    assert heads[0].equal(heads[1])


@pytest.mark.parametrize("kind,check", [("images", "contract"), ("images", "chance"), ("texts", "contract")])
def test_verify_takes_the_file(kind, check, tmp_path):
    path = changed(tmp_path / "my_toy.py", ("    def __init__", f'    kind = "{kind}"\n\n    def __init__'))
    found = list(verify.run(check, path))
    assert found and all(finding.passed for finding in found)
    assert all(finding.what.startswith("my-toy") for finding in found)


def test_a_batch_that_is_needed_to_embed_a_row_is_seen(tmp_path):
    path = changed(tmp_path / "my_toy.py", ("self.head(each) for", "self.head(each - each.mean(0)) for"))
    assert contract.by_halves(path) > 1e-3
    with pytest.raises(Unfit, match="unknown"):
        list(verify.run("contract", "mocco"))


def test_parameters_left_out_of_the_groups_are_counted(tmp_path):
    path = changed(tmp_path / "my_toy.py", ("return groups(self)", "return groups(self.encoder)"))
    assert contract.ungrouped(path) == 2


def test_ours_hold_to_the_contract_too():
    found = contract.check(("simclr", "moco", "swav", "clip", "simcse"))
    assert all(finding.passed for finding in found), [finding.what for finding in found if not finding.passed]
