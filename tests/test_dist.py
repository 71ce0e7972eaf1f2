"""What is published works away from this folder: the wheel is whole, and what it installs runs."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*words, **more):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from the sdist, as a package index would: what the sdist lacks, the wheel lacks too."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    assert len(list(out.glob("*.tar.gz"))) == 1
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def elsewhere(unpacked, tmp_path):
    """An environment in which `import kontrast` finds the wheel's files and no other."""
    return {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(unpacked)}}


def test_the_wheel_holds_every_file_of_the_package(wheel):
    ours = {str(p.relative_to(ROOT / "src")) for p in (ROOT / "src" / "kontrast").rglob("*") if p.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("kontrast/")}
    assert packed == {name for name in ours if "__pycache__" not in name}


def test_every_module_of_the_wheel_can_be_imported(unpacked, tmp_path):
    files = sorted((unpacked / "kontrast").rglob("*.py"))
    names = [".".join(file.relative_to(unpacked).with_suffix("").parts).removesuffix(".__init__") for file in files]
    names.remove("kontrast.__main__")  # importing it is running it
    code = "import importlib, sys; print(*(importlib.import_module(name).__file__ for name in sys.argv[1:]), sep='\\n')"
    came_from = run(sys.executable, "-c", code, *names, **elsewhere(unpacked, tmp_path)).splitlines()
    assert {Path(file) for file in came_from} == {file for file in files if file.name != "__main__.py"}


def test_the_command_of_the_wheel_works(unpacked, tmp_path):
    here = elsewhere(unpacked, tmp_path)
    command = (sys.executable, "-c", "from kontrast.cli import main; main()")
    version = run(*command, "--version", **here).strip()
    assert (unpacked / f"kontrast-{version}.dist-info").is_dir()
    assert "barlow-twins" in run(*command, "methods", **here)
    run(*command, "train", "digits", "--method", "simclr", "--dry-run", **here)
    assert not list(tmp_path.iterdir())


@pytest.mark.proof
def test_installed_into_an_empty_environment_the_demo_runs(wheel, tmp_path):
    """With every extra but the peers', from the package index: minutes and gigabytes."""
    run(sys.executable, "-m", "venv", tmp_path / "env")
    bin_, here = tmp_path / "env" / "bin", {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": ""}}
    run(bin_ / "pip", "install", "--quiet", "--disable-pip-version-check", f"kontrast[all] @ {wheel.as_uri()}", **here)
    run(bin_ / "kontrast", "train", "digits", "--method", "simclr", "--out", "runs/demo", **here)
    run(
        bin_ / "kontrast",
        "search",
        "runs/demo",
        "digits",
        "--query",
        0,
        "-k",
        5,
        "--sheet",
        "runs/demo/search.png",
        **here,
    )
    learned = json.loads((tmp_path / "runs/demo/summary.json").read_text())["evaluation"]
    assert learned["learned"]["few_label_1"] > learned["random_weights"]["few_label_1"] + 0.1
    assert (tmp_path / "runs/demo/report.html").stat().st_size > 10_000
