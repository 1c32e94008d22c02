"""Volumes of real studies against the table that the data's authors published."""

import csv

import pytest
from claimslicer.labels import infarct_mask
from claimslicer.quantification import concordance, quantify
from claimslicer.studies import read_study


@pytest.fixture(scope="module")
def published(shared_data):
    with (shared_data / "emidec" / "volumes.csv").open(encoding="utf-8", newline="") as stream:
        return {int(row["case"]): row for row in csv.DictReader(stream)}


def test_untouched_study_agrees_with_the_published_volumes(shared_data, published):
    study = read_study(shared_data / "emidec-original" / "Case_P100")
    measured = quantify(study.labels, study.geometry)
    row = published[100]
    assert measured.myocardium_ml == pytest.approx(float(row["myo"]), abs=1e-3)
    assert measured.infarct_ml == pytest.approx(float(row["inf"]), abs=1e-3)
    assert measured.mvo_ml == pytest.approx(float(row["pmo"]), abs=1e-3)


def test_normal_study_holds_no_infarct(shared_data):
    study = read_study(shared_data / "emidec-original" / "sampleNegative")
    measured = quantify(study.labels, study.geometry)
    assert not infarct_mask(study.labels).any()
    assert measured.infarct_ml == measured.infarct_percent == measured.mvo_g == 0.0
    assert 60 < measured.myocardium_g < 200


def test_share_of_infarct_agrees_where_the_slice_distance_is_nominal(shared_data, published):
    """The rebuilt studies have 10 mm for every slice distance, which cancels in a ratio of volumes."""
    measured, theirs = [], []
    for folder in sorted((shared_data / "emidec").glob("Case_P*"))[:8]:
        study = read_study(folder)
        row = published[int(folder.name[-3:])]
        measured.append(quantify(study.labels, study.geometry).infarct_percent)
        theirs.append(100 * float(row["inf"]) / float(row["myo"]))
    assert measured == pytest.approx(theirs, abs=1.0)
    assert concordance(measured, theirs) > 0.998
