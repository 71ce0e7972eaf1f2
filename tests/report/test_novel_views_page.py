import numpy as np

from kontrast.report import novel_views_page

RESULT = {"name": "a <fox>", "photos": 2, "rows": [{"object": "fox"}] * 3, "left_out": 1, "held": ["x"], "psnr": [24.0]}
RESULT |= {"ssim": [0.8], "sharpness": [0.7]}


def test_depth_is_light_where_things_are_near():
    depth = np.linspace(1, 4, 100, dtype=np.float32).reshape(10, 10)
    light = np.ones((10, 10), dtype=np.float32)
    light[0] = 0
    drawn = np.asarray(novel_views_page.depth_picture(depth, light))
    assert (drawn[0] == 255).all()  # nothing there
    assert (np.diff(drawn[1:, :, 0].reshape(-1).astype(int)) <= 0).all() and drawn[1, 1, 0] > drawn[9, 9, 0] + 100
    assert novel_views_page.depth_picture(depth, light * 0).size == (10, 10)


def test_names_are_escaped_and_what_is_missing_is_left_out(tmp_path):
    novel_views_page.write(tmp_path, [RESULT], ["kontrast train x --same pair"])
    page = (tmp_path / "report.html").read_text()
    assert "a &lt;fox&gt;" in page and "a <fox>" not in page and "held-out photos</h2>" not in page
    assert "1 rendered views beside 2 photos" in page and "24.0 dB" in page and "1 poor views were left out" in page


def test_photos_alone_have_no_scores(tmp_path):
    novel_views_page.write(tmp_path, [{**RESULT, "psnr": [], "rows": [{"object": "fox"}] * 2}], [])
    assert "nothing was rendered" in (tmp_path / "report.html").read_text()
