"""What no left ventricle looks like, set right in a label map: one small rule after the other.

A rule takes labels ``(z, y, x)`` uint8 0–4, the probability of infarct or MVO of the same shape, and the
geometry, and returns new labels. Slices are 8–10 mm thick, so neighbourhoods lie in the slice plane, but for
islands, which may go on in the next slice.

They were tried on the held-back patients of a cross-validation over EMIDEC (46 with infarct, 22 without):
dropping small and unsure islands raised infarct Dice from 0.614 to 0.624, and left 4 instead of 15 normals
with more than 1 ml of infarct. Others were left out, as none raised it: infarct round MVO, filling holes of
background in the ventricle (they lay in cavity that was taken for infarct), the cavity in one piece a slice,
wall between cavity and background, no infarct in slices without cavity, a smallest MVO, infarct without
holes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

from claimslicer.labels import Label, infarct_mask
from claimslicer.studies import Geometry

SMALLEST_INFARCT_ML = 2.0
"""Smaller islands of infarct are labelled healthy: they hold 1.3 % of the infarct in EMIDEC's labels."""

LEAST_INFARCT_PROBABILITY = 2 / 3
"""Islands whose mean probability of infarct is lower are labelled healthy."""

Rule = Callable[[np.ndarray, np.ndarray, Geometry], np.ndarray]

_ANYWHERE = ndimage.generate_binary_structure(3, 3)
_IN_PLANE = np.zeros((3, 3, 3), bool)
_IN_PLANE[1] = ndimage.generate_binary_structure(2, 1)


def one_ventricle(labels: np.ndarray, _probability: np.ndarray, _geometry: Geometry) -> np.ndarray:
    """Keep the largest connected ventricle."""
    parts, _ = ndimage.label(labels != Label.BACKGROUND, _ANYWHERE)
    return np.where(largest_part(parts), labels, Label.BACKGROUND).astype(labels.dtype)


def one_piece_a_slice(labels: np.ndarray, _probability: np.ndarray, _geometry: Geometry) -> np.ndarray:
    """Keep each slice's largest piece, wall and cavity together: scar beside the ring is in no wall."""
    parts, _ = ndimage.label(labels != Label.BACKGROUND, _IN_PLANE)
    kept = np.stack([largest_part(plane) for plane in parts])
    return np.where(kept, labels, Label.BACKGROUND).astype(labels.dtype)


def sure_infarct(labels: np.ndarray, probability: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Label islands of infarct healthy that are too small or, on average, too unsure."""
    islands, count = ndimage.label(infarct_mask(labels), _ANYWHERE)
    sizes = np.bincount(islands.ravel(), minlength=count + 1)
    sure = np.bincount(islands.ravel(), probability.ravel()) / np.maximum(sizes, 1)
    doubtful = (sizes * geometry.voxel_volume_ml < SMALLEST_INFARCT_ML) | (sure < LEAST_INFARCT_PROBABILITY)
    doubtful[0] = False
    return np.where(doubtful[islands], Label.MYOCARDIUM, labels).astype(labels.dtype)


RULES: tuple[Rule, ...] = (one_ventricle, one_piece_a_slice, sure_infarct)


def clean_labels(
    labels: np.ndarray, infarct_probability: np.ndarray, geometry: Geometry, rules: Sequence[Rule] = RULES
) -> np.ndarray:
    """Return ``labels`` with the rules applied one after the other."""
    for rule in rules:
        labels = rule(labels, infarct_probability, geometry)
    return labels


def largest_part(parts: np.ndarray) -> np.ndarray:
    """Return the part, numbered from 1, with most voxels, as bool; none where there is none."""
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return (parts == sizes.argmax()) & (parts > 0)
