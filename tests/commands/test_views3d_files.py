"""What is written is tested where the verb is (test_views3d); here the sentence of one object."""

from kontrast.commands.views3d_files import Result


def test_a_result_says_what_came_of_it():
    rows = [{"pair": str(number // 2)} for number in range(12)]
    alone = Result("fox", 12, rows)
    assert alone.line() == "fox: 12 photos in 6 groups by angle"
    fitted = Result("fox", 8, rows, 2, 100, ["a", "b"], [20.0, 24.0], [0.5, 0.7], [0.6, 0.8])
    assert fitted.line() == (
        "fox: 4 views (2 poor ones left out), 100 steps; 2 held-out photos 22.0 dB (20.0 to 24.0), SSIM 0.60, "
        "sharpness 0.70 of the photos'"
    )
