"""Six hand-made faults of each loss, each of which its tests must notice. Long: `make proof` runs it.

A fault is a piece of source replaced by another in a copy of the package; the named tests then run against the copy.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"
TILED, TILES, SMALL, CANDIDATES = (f"engine/{n}.py" for n in ("tiled", "tiles", "small_batch", "candidates"))
CON = "test_contrastive.py test_info_nce.py test_image_text.py test_supervised.py"
OTHER = "test_dclw.py test_redundancy.py test_clusters.py test_regression.py test_supervised.py "
OTHER += "test_alignment_uniformity.py"
IDEN, NUM = "test_identities.py test_chance.py", "engine/test_tiled.py"

# loss: tests (file, -k), then faults (file, what is there, what the fault makes of it)
MUTANTS = {
    "nt_xent": (f"{CON} {IDEN}", "nt_xent or gradcheck or shares or shape", [
        ("contrastive.py", "roll(-shift, 0)", "roll(0, 0)"),  # its own row as positive
        ("contrastive.py", "[Stripes(B), *names]", "[*names]"),  # the row itself among the candidates
        ("contrastive.py", "V * B, reduction)", "B, reduction)"),  # a sum of views' means
        ("contrastive.py", "F.softplus(decoupled_R,", "F.softplus(-decoupled_R,"),
        ("contrastive.py", "(ids_B, groups_B) if", "(ids_B, None) if"),  # groups forgotten
        (CANDIDATES, "self.scale**0.5 if self.balanced else self.scale, self", "self.scale, self"),
    ]),
    "info_nce": (f"{CON} {IDEN}", "info_nce or moco or guide or chance", [
        ("info_nce.py", "tags.append((name_Q[mine], name_K))", "pass"),  # repeats in the queue not masked
        ("info_nce.py", "own_RE = key_KE[positive_R]", "own_RE = key_KE[: len(positive_R)]"),
        ("info_nce.py", "own_RE = against.key(positive_QD[mine])", "own_RE = against.key(query_QD[mine])"),
        ("info_nce.py", "Stripes(Q + K, mine.start)", "Stripes(Q + K, 1)"),
        (CANDIDATES, "- self.margin", "+ self.margin"),
        ("info_nce.py", "negative_R, decoupled), Q", "negative_R, False), Q"),
    ]),
    "clip": (f"{CON} {IDEN}", "clip or shares or chance", [
        ("image_text.py", "view(2, R).mean(0)", "view(2, R)[0]"),  # one direction only
        ("image_text.py", "view(2, R).mean(0)", "view(2, R).sum(0)"),
        ("image_text.py", "text_BE[mine], image_BE", "image_BE[mine], text_BE"),
        ("image_text.py", "not None]\n    if ids_B", "not None][:0]\n    if ids_B"),
        ("image_text.py", "Stripes(2 * B, mine.start)", "Stripes(2 * B, mine.start + 1)"),
        (TILED, "torch.cat([rows.log(), columns.log()], dim=1)", "torch.cat([rows.log(), rows.log()], dim=1)"),
    ]),
    "small": (f"{CON} {IDEN}", "nt_xent or clip or gradcheck", [
        (SMALL, "torch.cat([table_RR.sum(1), table_RR.sum(0)])", "torch.cat([table_RR.sum(1), table_RR.sum(1)])"),
        (SMALL, "where = R // 2 if mirror else 0", "where = 1 if mirror else 0"),
        (SMALL, "weight_RR.diagonal(-where).sub_(together)", "pass"),
        (SMALL, "div(2 * number if mirror else number)", "div(number)"),
        (SMALL, "together = gradient_L.reshape", "together = 2 * gradient_L.reshape"),
        (SMALL, "addcmul_(unit_RD, along_R1, value=-1)", "add_(0)"),
    ]),
    "hardness": (CON, "debiased", [
        (CANDIDATES, "(1.0 + self.beta, self.beta)", "(self.beta, self.beta)"),
        (CANDIDATES, "count_R + sum_SR[0] - sum_SR[1]", "sum_SR[0] - sum_SR[1]"),
        (CANDIDATES, "left_R - math.log1p(-self.tau_plus)", "left_R"),
        (CANDIDATES, "floor_R = count_R - self.scale", "floor_R = count_R + self.scale"),
        (CANDIDATES, "len(positive_PR)) + count_R", "len(positive_PR))"),
        (TILED, "left_out.fill(rows, columns, kept_RC, 0.0)", "pass"),
    ]),
    "siglip": (f"{CON} {IDEN}", "siglip or gradcheck or shares or chance", [
        ("image_text.py", "F.softplus(-logit(", "F.softplus(logit("),
        ("image_text.py", "[*tags, Stripes(2 * B, mine.start)]", "[*tags]"),
        ("image_text.py", "* bias  #", "* -bias  #"),
        ("image_text.py", "together_R + against_R, B", "together_R + against_R / B, B"),
        ("engine/sigmoid_tiles.py", "sigmoid_().mul_(gradient_Q[rows, None])", "sigmoid_()"),
        ("engine/sigmoid_tiles.py", "F.softplus(logit_RC, threshold=50.0)", "F.relu(logit_RC)"),
    ]),
    "sup_con": (f"{CON} {IDEN}", "sup_con or shares or chance", [
        ("supervised.py", "many_N[place_N][mine] - 1", "many_N[place_N][mine]"),
        ("supervised.py", "- key_NE[mine])", ")"),  # the row itself as positive
        ("supervised.py", "masked_fill(positives_R == 0, 0.0)", "masked_fill(positives_R < 0, 0.0)"),
        ("supervised.py", "(many_N[place_N] > 1).sum()", "(many_N[place_N] > 0).sum()"),
        ("supervised.py", "itself = [Stripes(2 * N, mine.start)]", "itself = []"),
        ("supervised.py", "all_R - mean_R", "all_R + mean_R"),
    ]),
    "dclw": (OTHER, "dclw", [
        ("dclw.py", "decoupled=True", "decoupled=False"),
        ("dclw.py", "- 1.0  # 1 - w", "- 2.0  # 1 - w"),
        ("dclw.py", "cosine_B / sigma, 0)", "cosine_B, 0)"),
        ("dclw.py", "(less_B * cosine_B)[mine] * scale_of(temperature)", "(less_B * cosine_B)[mine]"),
        ("dclw.py", "torch.softmax(cosine_B /", "torch.softmax(cosine_B.detach() /"),
        ("dclw.py", "loss_VR + (less_B", "loss_VR - (less_B"),
    ]),
    "margin": (OTHER, "margin", [
        ("supervised.py", "0.5 * torch.where", "torch.where"),
        ("supervised.py", "(margin - apart_R).clamp(min=0)", "(margin - apart_R)"),
        ("supervised.py", "torch.where(similar_R", "torch.where(~similar_R"),
        ("supervised.py", "apart_R = 1.0 - pairwise", "apart_R = 2.0 - pairwise"),
        ("supervised.py", "square_R = apart_R.square()", "square_R = apart_R"),
        ("supervised.py", ".clamp(min=0).square()", ".clamp(min=0)"),
    ]),
    "alignment and uniformity": (f"{OTHER} {IDEN}", "alignment or uniform or chance", [
        ("alignment_uniformity.py", "2.0 - 2.0 * (first_RD", "1.0 - (first_RD"),
        ("alignment_uniformity.py", "exponent / 2)", "exponent)"),
        ("alignment_uniformity.py", "1.0 / (2.0 * t)", "1.0 / t"),
        ("alignment_uniformity.py", "N * (N - 1)", "N * N"),
        ("alignment_uniformity.py", "- 2.0 * t", "- t"),
        ("alignment_uniformity.py", "[Stripes(2 * N)]", "[]"),
    ]),
    "barlow_twins": (f"{OTHER} {IDEN}", "barlow", [
        ("redundancy.py", "correction=0", "correction=1"),
        ("redundancy.py", "square / B**2 - diagonal_F.double().square().sum()", "square / B**2"),
        ("redundancy.py", "(diagonal_F - 1)", "diagonal_F"),
        ("redundancy.py", "if once == 1:", "if once == 3:"),
        ("redundancy.py", "2 * (second_BD @ cross_FD.T)", "second_BD @ cross_FD.T"),
        ("redundancy.py", "(x_BD - mean_D)", "x_BD"),
    ]),
    "swapped_prediction": (f"{OTHER} {IDEN}", "swapped or sinkhorn or chance", [
        ("clusters.py", "own_pairs_R - all_pairs_R", "-all_pairs_R"),  # a view predicts its own code too
        ("clusters.py", "(A * (V - 1))", "(A * V)"),
        ("clusters.py", "* scale_of(temperature), dim=-1", ", dim=-1"),
        ("clusters.py", "log_NK[-len(scores_BK) :]", "log_NK[: len(scores_BK)]"),  # the queue's codes
        ("clusters.py", "log_NK = log_NK - log_NK.logsumexp(0, keepdim=True)\n", "pass\n"),
        ("clusters.py", "wide(scores_NK) / epsilon", "scores_NK / epsilon"),
    ]),
    "byol": (f"{OTHER} {IDEN}", "byol or chance", [
        ("regression.py", "2.0 - 2.0 * pairwise", "1.0 - pairwise"),
        ("regression.py", "2.0 - 2.0 * pairwise", "2.0 + 2.0 * pairwise"),
        ("regression.py", "target_BD[mine])", 'target_BD[mine], "dot")'),
        ("regression.py", "len(prediction_BD), reduction", "1, reduction"),
        ("regression.py", "target_BD[mine])", "target_BD[mine].detach())"),
        ("../similarity.py", "along_R1 / -(scale * scale)", "along_R1 / (scale * scale)"),
    ]),
    "engine": (f"{CON} {NUM}", "nt_xent or clip or info_nce or float32 or degenerate or close or underflow", [
        (TILED, "peak_R = torch.maximum(self.peak_R[part], tile_RC.amax(dim))", "peak_R = tile_RC.amax(dim)"),
        (TILED, "<= (600.0 if dtype == torch.float64 else 60.0)", "<= 1e9"),  # a shift that underflows
        (TILED, "if both or own_mirror:", "if own_mirror:"),
        (TILES, "addcmul_(ratio_RC.sum(1, keepdim=True), query_RE)", "add_(0)"),
        (TILES, "CLOSE = 1e-3", "CLOSE = -1.0"),
        (TILES, "(self.first - lowest) % self.period", "self.first % self.period"),
    ]),
}  # fmt: skip
FAULTS = [(loss, number) for loss, (_, _, faults) in MUTANTS.items() for number in range(len(faults))]


def still_green(package: Path, files: str, names: str) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-k", names]
    command += [str(HERE / file) for file in files.split()]
    environment = os.environ | {"PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=HERE.parents[1], check=False)
    if done.returncode not in (0, 1, 2):  # 2: the fault broke the import, which also counts as noticed
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return done.returncode == 0


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    package = tmp_path_factory.mktemp("mutants")
    shutil.copytree(SOURCE / "kontrast", package / "kontrast", ignore=shutil.ignore_patterns("__pycache__"))
    return package


@pytest.mark.proof
def test_the_copy_is_what_is_tested(copied):
    where = "import kontrast.losses as l; print(l.__file__)"
    said = subprocess.run([sys.executable, "-c", where], env=os.environ | {"PYTHONPATH": str(copied)},
                          capture_output=True, text=True, check=True, cwd=HERE.parents[1])  # fmt: skip
    assert said.stdout.startswith(str(copied))


@pytest.mark.proof
@pytest.mark.parametrize(("loss", "number"), FAULTS)
def test_the_fault_is_noticed(copied, loss, number):
    files, names, faults = MUTANTS[loss]
    name, there, fault = faults[number]
    path = copied / "kontrast" / "losses" / name
    sound = path.read_text()
    assert there in sound, "the source has changed: write this fault anew"
    path.write_text(sound.replace(there, fault))
    try:
        assert not still_green(copied, files, names), f"{loss}: {there!r} -> {fault!r} was not noticed"
    finally:
        path.write_text(sound)


@pytest.mark.parametrize("loss", MUTANTS)
def test_the_patches_fit(loss):
    assert len(MUTANTS[loss][2]) >= 6
    for name, there, fault in MUTANTS[loss][2]:
        assert there in (SOURCE / "kontrast" / "losses" / name).read_text() and there != fault, f"{name}: {there!r}"
