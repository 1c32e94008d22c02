"""Telling synthetic scars from real ones: fakes are found, copies and relabelled real scars are not."""

import dataclasses

import numpy as np
import pytest
from claimslicer.errors import SpecificationError, StudyError
from claimslicer.evaluation.controls import constant_fill
from claimslicer.evaluation.twosample import LabelledScar, forest, network, slice_samples, told, two_sample
from claimslicer.evaluation.twosample.nulls import real_halves, relabelled
from claimslicer.evaluation.twosample.shown import section_of
from claimslicer.evaluation.twosample.telling import _folds, auc, auc_with_interval
from claimslicer.evaluation.twosample.told import tell_apart
from claimslicer.labels import Label

SPACING = (8.0, 1.5, 1.5)


def drawn_heart(seed, contrast=1.2):
    """A ring of wall with a scar over a third of it, in noise; four slices."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-32:32, -32:32] * SPACING[1]
    radius, angle = np.hypot(y, x), np.degrees(np.arctan2(y, x))
    plane = np.where(radius < 18, Label.CAVITY, np.where(radius < 30, Label.MYOCARDIUM, Label.BACKGROUND))
    turn = rng.uniform(-90, 90)
    plane = np.where((plane == Label.MYOCARDIUM) & (np.abs(angle - turn) < 50), Label.INFARCT, plane)
    labels = np.repeat(plane[None], 4, 0).astype(np.uint8)
    level = np.array([300.0, 500.0, 200.0, 200.0 + 300.0 * contrast])[labels]
    image = level * rng.uniform(0.8, 1.2, (4, 1, 1)) + rng.normal(0, 25, labels.shape)
    return image, labels


@pytest.fixture(scope="module", autouse=True)
def small_forest():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 60)
        yield


@pytest.fixture(scope="module")
def hearts():
    return {f"P{seed}": drawn_heart(seed) for seed in range(10)}


@pytest.fixture(scope="module")
def scars(hearts):
    """Each heart's real scar, the same again as a copy, and one filled with its mean."""
    found = []
    for name, (image, labels) in hearts.items():
        filled = constant_fill(image, labels == Label.INFARCT)
        for kind, own in (("real", image), ("copy", image), ("constant", filled)):
            found.append(LabelledScar(kind, name, own, labels, SPACING))
    return found


@pytest.fixture(scope="module")
def samples(scars):
    return slice_samples(scars)


@pytest.mark.parametrize("classifier", ["forest", "network"])
def test_a_filled_scar_is_found(samples, classifier, monkeypatch):
    monkeypatch.setattr(network, "STEPS", 60)
    found = two_sample(samples, "constant", classifier=classifier, resamples=50)
    assert found.auc.value > 0.95
    assert found.auc.low <= found.auc.value <= found.auc.high


def test_a_copy_is_not_found(samples):
    assert two_sample(samples, "copy", resamples=20).auc.value == pytest.approx(0.5, abs=1e-9)


def test_nulls_hold_nothing_to_tell(samples):
    rng = np.random.default_rng(0)
    swapped = relabelled(samples, "constant", rng)
    assert len(swapped) == sum(sample.kind in ("real", "constant") for sample in samples)
    before = {id(s.picture): s.kind for s in samples if s.kind != "copy"}
    by_patient = {}
    for sample in swapped:
        by_patient.setdefault(sample.patient, set()).add(sample.kind == before[id(sample.picture)])
    assert all(len(changed) == 1 for changed in by_patient.values()), "a patient changes sides whole"
    assert {next(iter(changed)) for changed in by_patient.values()} == {True, False}
    halves = real_halves(samples, "constant", rng)
    sides = {kind: {s.patient for s in halves if s.kind == kind} for kind in ("real", "constant")}
    assert len(sides["real"]) == len(sides["constant"]) == 5
    assert not sides["real"] & sides["constant"]
    alone = [s for s in samples if s.kind == ("real" if s.patient < "P5" else "constant")]
    dealt = relabelled(alone, "constant", rng)
    assert len({s.patient for s in dealt if s.kind == "real"}) == 5


def test_everything_is_told_apart_beside_its_nulls(samples, monkeypatch):
    monkeypatch.setitem(told.DRAWS, "forest", 2)
    few = [s for s in samples if s.kind == "real"]
    few += [dataclasses.replace(s, kind="repainted") for s in samples if s.kind == "constant"]
    few += [dataclasses.replace(s, kind="authored") for s in samples if s.patient == "P0"]
    found, note = tell_apart(few, ["forest"], resamples=10)
    assert [one.kind for one in found] == ["repainted"]
    assert found[0].result.auc.value > 0.95
    assert found[0].copied == 0.5
    assert len(found[0].relabelled) == len(found[0].halves) == 2
    assert "1 of the authored ones" in note
    section = section_of(found, few, note)
    assert [table.name for table in section.tables] == ["told", "features", "slices"]
    by_kind = {row[0]: row for row in section.tables[2].rows}
    assert (by_kind["real"][1], by_kind["authored"][1]) == (10, 1), "one figure a scar"
    assert section.tables[0].rows[0][:2] == ["repainted", "forest"]
    assert [picture.name for picture in section.pictures] == ["obvious_repainted_synthetic"]
    assert note in section.text


def test_the_grain_gives_a_filled_scar_away(samples):
    found = two_sample(samples, "constant", resamples=20)
    assert found.features["SD"][0] < 0.05
    shares = [share for _, share in found.features.values()]
    assert sum(shares) == pytest.approx(1.0)
    assert shares == sorted(shares, reverse=True)


def test_other_grey_levels_of_a_slice_change_nothing(hearts):
    image, labels = hearts["P0"]
    gain = np.array([1.0, 3.0, 0.5, 2.0])[:, None, None]
    one, other = (
        slice_samples([LabelledScar("real", "P0", own, labels, SPACING)])
        for own in (image, gain * image - 90)
    )
    assert len(one) == len(other) == 4
    for a, b in zip(one, other, strict=True):
        assert a.features == pytest.approx(b.features, rel=1e-3, abs=1e-3, nan_ok=True)


def test_a_dotted_seam_shows_along_the_rim(hearts):
    """Every second pixel of the rim brighter, as where a mask's edge was pasted."""
    image, labels = hearts["P0"]
    seamed = image.copy()
    inside = labels == Label.INFARCT
    y, x = np.indices(inside.shape[1:])
    edge = inside & ~(
        np.roll(inside, 1, 1) & np.roll(inside, -1, 1) & np.roll(inside, 1, 2) & np.roll(inside, -1, 2)
    )
    seamed[edge & ((y + x) % 2 == 0)] += 150
    plain, dotted = (
        slice_samples([LabelledScar("real", "P0", own, labels, SPACING)])[1].features
        for own in (image, seamed)
    )
    assert dotted["roughness, inside the seam"] > 1.5 * plain["roughness, inside the seam"]
    assert dotted["Laplacian, rim"] > plain["Laplacian, rim"] + 0.3


def test_all_of_a_patient_is_held_out_together():
    synthetic = np.array([False, True, True] * 8 + [False] * 5)
    patients = np.array([f"P{n}" for n in range(8) for _ in range(3)] + [f"Q{n}" for n in range(5)])
    fold = _folds(synthetic, patients, np.random.default_rng(0))
    for patient in set(patients):
        assert len(set(fold[patients == patient])) == 1
    assert len(set(fold)) == 5


def test_the_auc_counts_ties_half_and_its_interval_is_over_patients():
    scores, synthetic = np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True])
    assert auc(scores, synthetic) == pytest.approx(3.5 / 4)
    # All samples of the two patients agree, so resampling patients gives nothing but the same.
    same = auc_with_interval(
        np.array([0, 1, 0, 1.0]), np.array([False, True] * 2), np.array(["P1", "P1", "P2", "P2"]), 30, 0
    )
    assert (same.value, same.low, same.high) == (1, 1, 1)


def test_too_few_patients_and_unknown_classifiers_are_refused(samples):
    few = [sample for sample in samples if sample.patient in ("P0", "P1")]
    with pytest.raises(SpecificationError, match="needs 4 patients"):
        two_sample(few, "constant")
    with pytest.raises(SpecificationError, match="forest, network"):
        two_sample(samples, "constant", classifier="oracle")


def test_shapes_must_agree(hearts):
    image, labels = hearts["P0"]
    with pytest.raises(StudyError, match="voxels"):
        slice_samples([LabelledScar("real", "P0", image[:2], labels, SPACING)])
