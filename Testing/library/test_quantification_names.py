"""The one table of names, and the kind of image."""

import numpy as np
import pytest
from analytic_ventricle import make_ventricle
from claimslicer.errors import SpecificationError, StudyError
from claimslicer.quantification import quantify
from claimslicer.quantification.image_kind import image_levels
from claimslicer.quantification.names import QUANTITIES, shown


def test_every_total_has_its_name_and_codes_are_told_apart():
    labels, frame = make_ventricle()
    assert set(quantify(labels, frame.geometry).totals()) <= set(QUANTITIES)
    own = [item.code for item in QUANTITIES.values() if item.code not in ("118565006", "118538004")]
    assert len(set(own)) == len(own) - 3  # % of LV mass is said of infarct, MVO, core and border zone
    assert all(len(code) <= 16 for code in own)
    assert shown("infarct_ml", None) == "–" and shown("infarct_ml", -1.26) == "−1.3"


def stack(air, sd=5.0, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.normal(air, sd, (5, 60, 60))
    image[:, 15:45, 15:45] = rng.normal(air + 300, 60, (5, 30, 30))
    return image


def test_the_kind_is_found():
    assert image_levels(np.abs(stack(0))).kind == "magnitude"
    assert image_levels(stack(0)).kind == "PSIR"
    dark = stack(2000)
    dark[:, 20:30, 20:30] = 1000
    found = image_levels(dark)
    assert found.kind == "lifted PSIR"
    assert found.zero == pytest.approx(2000, abs=2)
    padded = np.pad(dark, ((0, 0), (0, 0), (12, 0)))
    assert image_levels(padded).zero == pytest.approx(2000, abs=2)


def test_the_kind_is_given():
    assert image_levels(stack(2000), "magnitude").zero == 0.0
    assert image_levels(stack(2000), "lifted PSIR").zero == pytest.approx(2000, abs=2)


@pytest.mark.parametrize("image", [np.full((2, 9, 9), 7.0), np.full((2, 9, 9), np.nan)])
def test_an_image_of_one_level_is_refused(image):
    with pytest.raises(StudyError):
        image_levels(image)
    with pytest.raises(SpecificationError, match="kind of image"):
        image_levels(image, "CT")
