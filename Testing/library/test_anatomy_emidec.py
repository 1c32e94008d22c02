"""The frame on the shared EMIDEC studies, with insertions marked by eye."""

import csv
from pathlib import Path

import numpy as np
import pytest
from claimslicer.anatomy import Insertions, build_frame
from claimslicer.anatomy.stack import make_stack
from claimslicer.labels import myocardium_mask
from claimslicer.studies import read_study

MARKED = Path(__file__).parent / "data" / "insertions_emidec.csv"
BASE_FIRST = {"Case_P063"}
"""By eye: its RV is largest in the first slice and the stomach appears beside the last."""


def marked_points(row, study):
    """Return the insertions of a row: angles counter-clockwise as displayed, on a circle of 25 mm.

    They were marked on copies of other pixel sizes, round the centre of the ventricle, as its labels show it.
    """
    geometry, z = study.geometry, int(row["slice"])
    centre_y, centre_x = np.argwhere(np.isin(study.labels[z], (1, 2, 3, 4))).mean(axis=0)
    points = []
    for name in ("anterior_deg", "inferior_deg"):
        angle = np.radians(float(row[name]))
        x = centre_x + 25.0 / geometry.spacing[0] * np.cos(angle)
        y = centre_y - 25.0 / geometry.spacing[1] * np.sin(angle)
        points.append(tuple(geometry.index_to_physical(np.array([float(z), y, x]))))
    return Insertions(*points)


def test_slice_order_of_studies(shared_data):
    every = sorted(p for p in (shared_data / "emidec").iterdir() if p.is_dir())
    cases = every[::6] + [p for p in every if p.name in BASE_FIRST]
    found = {}
    for case in cases:
        study = read_study(case)
        found[case.name] = make_stack(study.labels, study.geometry).apex_first
    assert len(found) > 10
    assert {name for name, apex_first in found.items() if not apex_first} == BASE_FIRST


@pytest.mark.parametrize("number", range(0, 29, 4))
def test_frames_of_marked_studies(shared_data, number):
    with MARKED.open(encoding="utf-8") as file:
        row = list(csv.DictReader(file))[number]
    study = read_study(shared_data / "emidec" / row["case"])
    frame = build_frame(
        study.labels,
        study.geometry,
        insertions=marked_points(row, study),
        mirrored=row["case"] in BASE_FIRST,
    )
    wall = myocardium_mask(study.labels)
    assert np.array_equal(frame.segments > 0, wall)
    assert set(range(1, 17)) <= set(np.unique(frame.segments).tolist())
    assert frame.septal_arc_deg == pytest.approx(
        float(row["inferior_deg"]) - float(row["anterior_deg"]), abs=9.0
    )
    # The septum lies on the RV's side, which is displayed on the left, and the anterior wall above.
    index = [
        np.argwhere(np.isin(frame.segments, walls)).mean(axis=0) for walls in ((8, 9), (11, 12), (7,), (10,))
    ]
    septum, lateral, anterior, inferior = index
    assert septum[2] < lateral[2]
    assert anterior[1] < inferior[1]
