"""The README's two pictures, as the product makes them: `make pictures`, which runs the demo first.

    python docs/pictures.py [RUN]

The sheet of `kontrast search` is copied as it is; the report is what a browser shows of report.html (needs Chromium).
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent / "pictures"
WIDTH, HEIGHT = 1100, 1930
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
LARGEST = 200_000  # bytes


def screenshot(page: Path, out: Path) -> None:
    """The top of a page as a PNG of at most 256 colours."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"The picture of the report needs a browser without a window: one of {', '.join(BROWSERS)}.")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        words = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=10000"]
        words += [f"--user-data-dir={folder}/browser", f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={shot}"]
        subprocess.run([browser, *words, page.resolve().as_uri()], check=True, stderr=subprocess.DEVNULL)
        with Image.open(shot) as picture:
            picture.convert("RGB").quantize(256).save(out, optimize=True)


def main() -> None:
    run = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/demo")
    HERE.mkdir(exist_ok=True)
    screenshot(run / "report.html", HERE / "report.png")
    shutil.copyfile(run / "search.png", HERE / "search.png")
    for picture in sorted(HERE.glob("*.png")):
        size = picture.stat().st_size
        print(f"{picture}  {size:,} bytes")
        if size > LARGEST:
            sys.exit(f"{picture} is larger than {LARGEST:,} bytes.")


if __name__ == "__main__":
    main()
