"""Cohorts compared: the null, what must pass and what must fail, intervals, and the tables that say so."""

import dataclasses
import json
import math

import numpy as np
import pytest
from claimslicer.errors import SpecificationError
from claimslicer.evaluation.cohort import LEVELS, Against, RealScars, by_patient, distance_between
from claimslicer.evaluation.controls import blurred_noise, constant_fill
from claimslicer.evaluation.measures import QUANTILES, YARDSTICKS, ScarMeasures, measure_scar
from claimslicer.evaluation.placement import Survival
from claimslicer.evaluation.record import ScarRecord, read_record, write_record
from claimslicer.evaluation.summary import summarise, targets
from claimslicer.evaluation.tables import TITLES, as_text, headline, studies_table, tables_of
from claimslicer.labels import Label, infarct_mask
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom

PLACED = Survival(4, 4, 0.9, 0.6, 0.6, 5.0)


def record(kind, case, rng, *, draw=0, level=3.0, dice=0.65, found=1.1, **measures):
    """A record whose scar has grey levels around ``level``; patients differ by 0.8, scars of one by 0.15."""
    patient = np.random.default_rng(int(case[1:]))
    own = level + 0.8 * patient.standard_normal() + 0.15 * rng.standard_normal()
    units = own + rng.standard_normal(400)
    values = {name: float(1 + 0.2 * rng.standard_normal()) for name in YARDSTICKS}
    values |= {"cnr": float(units.mean()), "spread": float(units.std())} | measures
    asked = float(rng.uniform(3, 40))
    return ScarRecord(
        kind,
        case,
        draw,
        ScarMeasures(**values),
        dice=float(np.clip(dice + 0.08 * rng.standard_normal(), 0, 1)),
        asked_ml=asked,
        found_ml=found * asked * float(np.exp(0.1 * rng.standard_normal())),
        no_heart=False,
        nearest=0.8,
        seconds=1.0,
        evaluations=0 if kind == "real" else 8,
        changed_outside=0,
        survival=PLACED,
        quantiles=np.quantile(units, QUANTILES),
        inside=units.astype(np.float32),
        scar=np.ones((1, 1, 1), np.uint8),
    )


def cohort(kind, seed, *, patients=10, seeds=1, first=0, **options):
    rng = np.random.default_rng(seed)
    names = [f"P{i + first:02d}" for i in range(patients)]
    return [record(kind, name, rng, draw=draw, **options) for name in names for draw in range(seeds)]


@pytest.fixture(scope="module")
def real():
    return cohort("real", 0)


def against(real, kind, resamples=80):
    scars = RealScars.of(real, resamples, np.random.default_rng(0))
    return Against(scars, by_patient(kind), resamples)


class TestDistances:
    def test_two_groups_of_numbers(self):
        def group(*values):
            return [[np.array([value])] for value in values]

        assert distance_between(group(1.0, 3.0), group(2.0, 4.0)) == pytest.approx(1.0)
        assert math.isnan(distance_between(group(1.0), [[np.array([])]]))

    def test_a_patient_with_many_scars_weighs_as_much_as_one_with_one(self):
        one = [[np.array([0.0])], [np.array([10.0])]]
        many = [[np.array([0.0])] * 9, [np.array([10.0])]]
        assert distance_between(one, many) == pytest.approx(0.0)

    def test_scars_of_the_same_make_are_as_near_as_real_halves(self, real):
        distance = against(real, cohort("repainted", 1, seeds=3)).distance(LEVELS)
        assert 0.6 < distance.ratio < 1.4
        assert not distance.fails

    def test_scars_of_another_make_are_told(self, real):
        distance = against(real, cohort("repainted", 2, level=5.5)).distance(LEVELS)
        assert distance.fails
        assert distance.all_studies == pytest.approx(2.5, abs=0.6)
        assert distance.low < 2.5 < distance.high

    def test_the_real_scars_stand_in_for_themselves(self, real):
        own = against(real, [dataclasses.replace(r, kind="repainted") for r in real])
        for yardstick in (LEVELS, *YARDSTICKS):
            distance = own.distance(yardstick)
            # The second half is the one that the null has, up to the order of its patients.
            assert distance.halves == pytest.approx(distance.null)
            assert distance.all_studies == pytest.approx(0.0)

    def test_stand_ins_are_never_the_patients_they_are_compared_with(self, real):
        pair = against(real, cohort("repainted", 3, seeds=2))
        for (first, second), chosen in zip(pair.real.halves, pair.stand_ins, strict=True):
            assert len(chosen) == len(second) == 5
            assert not {name for name, _ in chosen} & set(first)

    def test_a_measure_that_no_scar_shows_has_no_distance(self, real):
        distance = against(real, cohort("copy", 4, mvo_contrast=float("nan"))).distance("mvo_contrast")
        assert math.isnan(distance.all_studies)
        assert math.isnan(distance.ratio)
        assert not distance.fails


def test_every_yardstick_has_its_title():
    assert set(TITLES) == {LEVELS, *YARDSTICKS}


class TestEstimates:
    def test_a_difference_in_the_same_patients_is_taken_patient_by_patient(self, real):
        shifted = [dataclasses.replace(r, kind="repainted", dice=r.dice + 0.1) for r in real]
        estimate = against(real, shifted).difference(lambda r: r.dice)
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.1, 0.1, 0.1))

    def test_a_mean_over_patients_and_one_patient_without_interval(self, real):
        pair = against(real, cohort("authored", 5, patients=1, seeds=3))
        estimate = pair.mean(lambda r: float(r.draw))
        assert estimate.value == pytest.approx(1.0)
        assert math.isnan(estimate.low)
        mean = against(real, real).mean(lambda r: r.dice)
        assert mean.low < mean.value < mean.high

    def test_scars_that_are_all_middling_are_told_by_their_dispersion(self, real):
        middling = [
            dataclasses.replace(r, measures=dataclasses.replace(r.measures, cnr=3.0 + 0.01 * i))
            for i, r in enumerate(real)
        ]
        pair = against(real, middling)
        assert pair.mean(lambda r: float(2.5 < r.measures.cnr < 3.5)).value == 1
        assert pair.dispersion(lambda r: r.measures.cnr) < 0.1
        assert against(real, real).dispersion(lambda r: r.measures.cnr) == pytest.approx(1.0)

    def test_about_half_or_less_of_real_scars_lie_inside_another_halfs_quartiles(self, real):
        kind, other_half = against(real, cohort("repainted", 6, level=30.0)).share_inside("cnr")
        assert kind == 0
        assert 0.2 < other_half < 0.6


class TestControls:
    @pytest.fixture(scope="class")
    @classmethod
    def records(cls):
        """Eight phantoms as patients; eight others as good synthetic scars; the controls."""
        rng = np.random.default_rng(0)
        records = []
        for number in range(8):
            scar = PhantomScar(centre_deg=45.0 * number, transmurality=0.9, mvo_ml=0.4 * (number % 2))
            scarred, other = (_phantom(seed, scar) for seed in (number, number + 100))
            empty = _phantom(number, None)
            inside = infarct_mask(scarred.labels)
            kinds = {
                "real": scarred.image,
                "repainted": None,
                "constant": constant_fill(scarred.image, inside),
                "noise": blurred_noise(scarred.image, inside, (1.5, 1.5), rng),
                "copy": empty.image,
            }
            for kind, image in kinds.items():
                study, shown = (other, other.image) if image is None else (scarred, image)
                measures, quantiles = measure_scar(shown, study.labels, (1.5, 1.5))
                made = record(kind, f"P{number}", rng)
                records.append(dataclasses.replace(made, measures=measures, quantiles=quantiles))
        return records

    def test_every_control_fails_and_good_scars_do_not(self, records):
        summary = summarise(records, resamples=40)
        assert "texture_mm" in summary.kinds["constant"].fails
        assert "spread" in summary.kinds["constant"].fails
        assert "texture_mm" in summary.kinds["noise"].fails
        assert {LEVELS, "cnr", "edge"} <= set(summary.kinds["copy"].fails)
        assert summary.kinds["repainted"].fails == []
        text = as_text(tables_of(summary)[0])
        row = next(line for line in text.splitlines() if line.startswith(TITLES["texture_mm"]))
        assert row.count("*") >= 2


def _phantom(seed, scar):
    study = make_phantom(
        PhantomSettings(
            seed=seed,
            matrix=(112, 112),
            n_slices=4,
            slice_spacing=16.0,
            offset_mm=(0.0, 0.0),
            through_slice_samples=2,
            scar=scar,
        )
    ).study
    labels = np.where(study.labels == Label.RIGHT_VENTRICLE, 0, study.labels).astype(np.uint8)
    return dataclasses.replace(study, labels=labels)


class TestSummary:
    def test_targets_filter_bias_and_tables(self, real, tmp_path):
        good = cohort("repainted", 7, seeds=2)
        missed = cohort("copy", 8, patients=7, first=50, level=0.0, dice=0.0, found=0.0)
        lost = Survival(3, 0, 0.0, 0.5, math.nan, math.nan)
        missed = [dataclasses.replace(r, survival=lost) for r in missed]
        summary = summarise([*real, *good, *missed], resamples=40)
        assert list(summary.kinds) == ["real", "repainted", "copy"]
        assert summary.volume_bias.factor == pytest.approx(1.1, abs=0.08)
        assert summary.kinds["repainted"].volume_error < 0.15 < summary.kinds["copy"].volume_error
        assert summary.kinds["copy"].passed.value == 0
        assert summary.kinds["repainted"].passed.value > 0.7
        assert summary.kinds["repainted"].diversity > 0.8
        assert summary.kinds["copy"].kept.segments == 0
        reached = {target.name: target.reached for target in targets(summary.kinds["repainted"])}
        assert reached["grey levels, × real halves"]
        assert reached["median error of asked volume"]
        assert not {t.name: t.reached for t in targets(summary.kinds["copy"])}["grey levels, × real halves"]
        json.dumps(summary.to_dict(), allow_nan=False)
        said = headline(summary)
        assert "'copy' is told from real scars by" in said
        assert "Repainted scars lie within real scars' own differences on" in said
        for table in (*tables_of(summary), studies_table([*real, *good])):
            assert {len(row) for row in table.rows} == {len(table.columns)}
            assert as_text(table).count("\n") > len(table.rows)

    def test_the_same_seed_says_the_same(self, real):
        kinds = [*real, *cohort("authored", 9, patients=5, first=40)]
        assert summarise(kinds, resamples=15).to_dict() == summarise(kinds, resamples=15).to_dict()

    def test_a_segmenter_that_misses_the_real_scars_gives_no_volumes_and_says_so(self, real):
        blind = [dataclasses.replace(r, found_ml=0.0) for r in real]
        summary = summarise([*blind, *cohort("repainted", 10)], resamples=20)
        assert math.isnan(summary.kinds["repainted"].volume_error)
        assert "better segmenter" in as_text(tables_of(summary)[2])

    def test_without_real_scars_there_is_nothing_to_compare_with(self):
        with pytest.raises(SpecificationError, match="no real scars"):
            summarise(cohort("repainted", 0))


def test_a_record_is_kept_as_it_is(real, tmp_path):
    original = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    painted = dataclasses.replace(
        real[0],
        kind="repainted",
        survival=None,
        changed_at=np.array([7, 31]),
        changed_to=np.array([200, 201], np.uint8),
    )
    path = write_record(tmp_path, painted)
    assert "synthetic" in path.name
    again = read_record(path)
    assert again.numbers() == painted.numbers()
    np.testing.assert_array_equal(again.inside, painted.inside)
    image = again.image_of(original)
    assert image.dtype == original.dtype
    assert np.flatnonzero(image != original).tolist() == [7, 31]
    assert image.flat[[7, 31]].tolist() == [200, 201]
