"""What the labels of other people's nnU-Net models are inside, by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from claimslicer.errors import ModelError
from claimslicer.labels import Label

NAMES: Mapping[Label, tuple[str, ...]] = {
    Label.BACKGROUND: ("background",),
    Label.CAVITY: ("cavity", "lv", "lv cavity", "left ventricle", "blood pool", "lv blood pool", "lvbp"),
    Label.MYOCARDIUM: (
        "myocardium",
        "myo",
        "lv myocardium",
        "healthy myocardium",
        "normal myocardium",
        "edema",  # injured, but not infarcted
        "oedema",
    ),
    Label.INFARCT: ("infarct", "infarction", "myocardial infarction", "mi", "scar", "lge"),
    Label.MVO: ("mvo", "no reflow", "nr", "microvascular obstruction"),
    Label.RIGHT_VENTRICLE: ("rv", "right ventricle", "rv cavity", "rv blood pool", "rvbp"),
}


def internal_labels(dataset: Mapping[str, Any]) -> dict[int, Label]:
    """Return the internal label of each value in ``dataset.json``; ModelError for names that aren't known."""
    known = {name: label for label, names in NAMES.items() for name in names}
    table: dict[int, Label] = {}
    for name, value in dataset["labels"].items():
        if name == "ignore":  # what nnU-Net doesn't train on, and never predicts
            continue
        plain = " ".join(re.split(r"[\s_-]+", str(name).strip().lower()))
        if plain not in known or not isinstance(value, int):
            raise ModelError(
                f"I don't know the label {name!r} of this nnU-Net model: rename it in its dataset.json to "
                f"one of {', '.join(names[0] for names in NAMES.values())}."
            )
        table[value] = known[plain]
    if Label.MYOCARDIUM not in table.values():
        raise ModelError("This nnU-Net model labels no myocardium: give one for the left ventricle.")
    return table
