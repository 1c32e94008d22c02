"""Scar in ml, g and percent; thresholds; agreement with a reference."""

from claimslicer.quantification.agreement import (
    BlandAltman,
    Interval,
    bland_altman,
    bootstrap_interval,
    concordance,
    mean_of_known,
)
from claimslicer.quantification.calibration import (
    Calibration,
    Reliability,
    Scaling,
    calibrate,
    fit_scaling,
)
from claimslicer.quantification.chords import Chords, wall_chords
from claimslicer.quantification.compare import (
    Comparison,
    RegionAgreement,
    SegmentDifference,
    compare,
    dice,
)
from claimslicer.quantification.measure import Measurement, measure
from claimslicer.quantification.quantify import (
    MYOCARDIAL_DENSITY_G_PER_ML,
    TRANSMURALITY_CLASSES,
    Quantification,
    SegmentQuantity,
    quantify,
    transmurality_class,
)
from claimslicer.quantification.thresholds import (
    ThresholdResult,
    fwhm,
    n_sd,
    otsu,
    remote_region,
    threshold_masks,
)

__all__ = [
    "MYOCARDIAL_DENSITY_G_PER_ML",
    "TRANSMURALITY_CLASSES",
    "BlandAltman",
    "Calibration",
    "Chords",
    "Comparison",
    "Interval",
    "Measurement",
    "Quantification",
    "RegionAgreement",
    "Reliability",
    "Scaling",
    "SegmentDifference",
    "SegmentQuantity",
    "ThresholdResult",
    "bland_altman",
    "bootstrap_interval",
    "calibrate",
    "compare",
    "concordance",
    "dice",
    "fit_scaling",
    "fwhm",
    "mean_of_known",
    "measure",
    "n_sd",
    "otsu",
    "quantify",
    "remote_region",
    "threshold_masks",
    "transmurality_class",
    "wall_chords",
]
