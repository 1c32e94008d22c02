"""All numbers of a labelled study, against a reference where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from claimslicer.anatomy import LVFrame, build_frame
from claimslicer.quantification.compare import Comparison, compare
from claimslicer.quantification.quantify import Quantification, quantify


@dataclass(frozen=True)
class Measurement:
    """The numbers of the labels and, where there is one, those of the reference and how the two agree."""

    quantification: Quantification
    reference: Quantification | None = None
    comparison: Comparison | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON types; what isn't there is left out."""
        data = {"quantification": self.quantification.to_dict()}
        if self.reference is not None and self.comparison is not None:
            data |= {"reference": self.reference.to_dict(), "agreement": self.comparison.to_dict()}
        return data


def measure(labels: np.ndarray, frame: LVFrame, reference: np.ndarray | None = None) -> Measurement:
    """Measure ``labels`` on the grid of ``frame``, and compare them with ``reference``.

    ``frame`` is that of ``labels``, or of the ``reference`` where there is one: both are then laid out by its
    insertion points and slice order, so that each segment is compared with itself. Raises what
    :func:`quantify` and :func:`compare` do.
    """
    grid = frame.geometry
    if reference is None:
        return Measurement(quantify(labels, grid, frame))
    own_frame = build_frame(
        labels, grid, insertions=frame.insertions, rule=frame.rule, apex_first=frame.apex_first
    )
    return Measurement(
        quantify(labels, grid, own_frame),
        quantify(reference, grid, frame),
        compare(labels, reference, grid, frame),
    )
