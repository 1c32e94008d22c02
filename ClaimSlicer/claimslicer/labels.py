"""The label values used everywhere inside: EMIDEC's 0–4, and 5 for the right ventricle's blood pool."""

from enum import IntEnum

import numpy as np


class Label(IntEnum):
    """Values of an internal label map; readers map every other convention to these."""

    BACKGROUND = 0
    CAVITY = 1
    """LV blood pool, papillary muscles included."""
    MYOCARDIUM = 2
    """Healthy LV myocardium."""
    INFARCT = 3
    MVO = 4
    """Microvascular obstruction (no-reflow), counted as infarct."""
    RIGHT_VENTRICLE = 5


class ScarLabel(IntEnum):
    """Values of a scar mask, as SMILE makes and inpainting takes it."""

    NONE = 0
    SCAR = 1
    MVO = 2


def myocardium_mask(labels: np.ndarray) -> np.ndarray:
    """Return the whole LV wall (healthy, infarct and MVO) as bool, shape of ``labels``."""
    return np.isin(labels, (Label.MYOCARDIUM, Label.INFARCT, Label.MVO))


def ventricle_mask(labels: np.ndarray) -> np.ndarray:
    """Return the left ventricle, cavity and wall, as bool, shape of ``labels``."""
    return (labels == Label.CAVITY) | myocardium_mask(labels)


def infarct_mask(labels: np.ndarray) -> np.ndarray:
    """Return infarct including MVO as bool, shape of ``labels``."""
    return np.isin(labels, (Label.INFARCT, Label.MVO))


def scar_of_labels(labels: np.ndarray) -> np.ndarray:
    """Return the scar mask (:class:`ScarLabel`, uint8) that a label map holds."""
    scar = np.zeros(labels.shape, np.uint8)
    scar[labels == Label.INFARCT] = ScarLabel.SCAR
    scar[labels == Label.MVO] = ScarLabel.MVO
    return scar


def labels_with_scar(labels: np.ndarray, scar: np.ndarray) -> np.ndarray:
    """Return ``labels`` whose wall carries ``scar`` in place of whatever scar it had."""
    result = labels.copy()
    wall = myocardium_mask(labels)
    result[wall] = Label.MYOCARDIUM
    result[wall & (scar == ScarLabel.SCAR)] = Label.INFARCT
    result[wall & (scar == ScarLabel.MVO)] = Label.MVO
    return result
