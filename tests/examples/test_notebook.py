"""The guide runs from its first cell to its last, and its figures are kept in it."""

import json
import subprocess
import sys
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "examples" / "contrastive_learning.ipynb"
SYSTEMS = ("SimCLR", "MoCo", "MoCo v2", "SwAV", "BYOL", "Barlow Twins", "CLIP", "SimCSE")


EXECUTE = """
import sys, nbclient, nbformat
guide = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(guide, timeout=300, kernel_name="python3").execute()
nbformat.write(guide, sys.argv[2])
"""


def cells(path):
    return json.loads(path.read_text())["cells"]


def text(cell):
    return "".join(cell["source"])


def figures(cell):
    return [output["data"]["image/png"] for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]


def test_the_guide_runs_and_learns(tmp_path):
    ran = tmp_path / "ran.ipynb"
    done = subprocess.run([sys.executable, "-c", EXECUTE, GUIDE, ran], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    code = [cell for cell in cells(ran) if cell["cell_type"] == "code"]
    assert all("error" not in output["output_type"] for cell in code for output in cell["outputs"])
    assert [len(figures(cell)) for cell in code] == [text(cell).count("plt.show()") for cell in code]
    table = "".join(code[-1]["outputs"][0]["text"]).splitlines()
    score = {line[:15].strip(): float(line[15:22].strip(" %")) for line in table}
    bar = max(score["raw pixels"], score["random weights"])
    assert {name for name, share in score.items() if share > bar} == set(SYSTEMS[:6])


def test_each_system_has_a_figure_and_its_paper():
    titles = {name: n for n, cell in enumerate(cells(GUIDE)) for name in SYSTEMS if f"### {name}:" in text(cell)}
    assert tuple(titles) == SYSTEMS
    for name, n in titles.items():
        assert figures(cells(GUIDE)[n + 1]), f"the kept guide has no figure of {name}"
    papers = next(text(cell) for cell in cells(GUIDE) if text(cell).startswith("## The papers"))
    assert all(f"| {name} |" in papers for name in SYSTEMS)


def test_the_kept_guide_is_small():
    assert GUIDE.stat().st_size < 1_000_000
