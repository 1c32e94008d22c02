"""ICC and kappa against worked examples, and the command over two folders."""

import numpy as np
import pytest
from claimslicer.cli.main import app
from claimslicer.errors import SpecificationError, StudyError
from claimslicer.quantification.readers import icc_2_1, weighted_kappa
from claimslicer.studies import Geometry, write_volume
from typer.testing import CliRunner


def test_icc_of_perfect_shifted_and_opposed_readings():
    a = [1.0, 2.0, 3.0, 4.0]
    assert icc_2_1(a, a) == pytest.approx(1.0)
    # By hand: MS rows 10/3, columns 2, error 0; (10/3) ÷ (10/3 + 2·2/4).
    assert icc_2_1(a, [2.0, 3.0, 4.0, 5.0]) == pytest.approx((10 / 3) / (10 / 3 + 1.0))
    assert icc_2_1(a, a[::-1]) < 0
    with pytest.raises(SpecificationError):
        icc_2_1([1.0], [1.0])


def test_kappa_weighs_far_classes_more():
    assert weighted_kappa([0, 1, 2], [0, 1, 2], 5) == pytest.approx(1.0)
    near, far = weighted_kappa([0, 0, 4, 4], [0, 1, 4, 4], 5), weighted_kappa([0, 0, 4, 4], [0, 4, 4, 4], 5)
    assert 1 > near > far
    assert np.isnan(weighted_kappa([1, 1], [1, 1], 5))


def test_the_command_compares_two_folders(tmp_path):
    for folder, extra in (("a", 0), ("b", 2)):
        for k in range(3):
            labels = np.zeros((4, 24, 24), np.uint8)
            labels[:, 4:20, 4:20] = 2
            labels[:, 9:15, 9:15] = 1
            labels[:, 4 : 8 + k + extra, 6:9] = 3
            write_volume(tmp_path / folder / f"s{k}.nii.gz", labels, Geometry(labels.shape, (1.5, 1.5, 8.0)))
    call = ["agreement", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, call, catch_exceptions=False).exit_code == 0
    table = (tmp_path / "out/agreement.csv").read_text().splitlines()
    infarct = dict(zip(table[0].split(","), table[1].split(","), strict=True))
    assert float(infarct["bias_ml"]) == pytest.approx(-2 * 3 * 4 * 18 / 1000)
    call[2] = str(tmp_path / "out")
    with pytest.raises(StudyError):
        CliRunner().invoke(app, [*call[:3], "--out", str(tmp_path / "o2")], catch_exceptions=False)


def test_quantify_measures_a_folder_of_studies(tmp_path):
    ring = np.hypot(*(np.indices((40, 40)) - 20.0)) * 1.6
    labels = np.repeat(np.where(ring < 14, 1, np.where(ring < 24, 2, 0))[None], 7, 0).astype(np.uint8)
    labels[0] = np.where(ring < 16, 2, 0)
    labels[2:5, 20:, 5:20][labels[2:5, 20:, 5:20] == 2] = 3
    septal = (ring >= 24) & (ring < 32) & (1.6 * (20 - np.indices((40, 40))[1]) > 0.5 * ring)
    labels[1:, septal] = 5
    image = np.random.default_rng(0).normal(0, 5, labels.shape) + 100 + 200.0 * (labels == 3)
    grid = Geometry(labels.shape, (1.6, 1.6, 8.0))
    for name in ("one", "two"):
        write_volume(tmp_path / f"in/{name}/{name}.nii.gz", image, grid)
        write_volume(tmp_path / f"in/{name}/{name}_labels.nii.gz", labels, grid)
    call = ["quantify", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, call, catch_exceptions=False).exit_code == 0
    head, *rows = (tmp_path / "out/studies.csv").read_text().splitlines()
    assert len(rows) == 2
    assert {"infarct_ml", "core_ml", "EWA infarct_ml"} <= set(head.split(","))
    assert len(list((tmp_path / "out").rglob("report.pdf"))) == 2
