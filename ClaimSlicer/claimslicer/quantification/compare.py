"""Agreement of two label maps of one study, region by region and segment by segment."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from claimslicer.anatomy.frame import LVFrame
from claimslicer.errors import StudyError
from claimslicer.labels import Label, infarct_mask, myocardium_mask
from claimslicer.quantification.quantify import Row
from claimslicer.studies import Geometry

REGIONS = ("cavity", "myocardium", "infarct", "mi", "mvo")
"""``infarct`` is labels 3 and 4, as EMIDEC scores it; ``mi`` is label 3 alone."""


@dataclass(frozen=True)
class RegionAgreement:
    """How well one region of ``labels`` agrees with the reference.

    ``dice`` follows EMIDEC: 1 where both are empty. ``dice_non_empty`` is NaN there, so that a mean over
    patients leaves such cases out. Ratios without a denominator, and distances to an empty region, are NaN.
    ``specificity`` of the cavity and the myocardium is taken over the image, that of scar over the wall.
    """

    region: str
    dice: float
    dice_non_empty: float
    precision: float
    sensitivity: float
    specificity: float
    hd95_mm: float
    surface_distance_mm: float
    volume_ml: float
    reference_ml: float

    @property
    def difference_ml(self) -> float:
        """Volume minus the reference's, in ml."""
        return self.volume_ml - self.reference_ml


@dataclass(frozen=True)
class SegmentDifference:
    """Volumes in one AHA segment minus the reference's, in ml; infarct includes MVO."""

    segment: int
    volume_ml: float
    infarct_ml: float
    mvo_ml: float


@dataclass(frozen=True)
class Comparison:
    """Agreement of every region of :data:`REGIONS`, and of the segments where a frame was given."""

    regions: tuple[RegionAgreement, ...]
    segments: tuple[SegmentDifference, ...] = ()

    def __getitem__(self, region: str) -> RegionAgreement:
        """Return the agreement of the region of that name."""
        return self.regions[REGIONS.index(region)]

    def rows(self) -> list[Row]:
        """Return one flat row per region; None stands for what isn't defined."""
        return [
            {name: _or_none(value) for name, value in asdict(region).items()}
            | {"difference_ml": region.difference_ml}
            for region in self.regions
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return regions and segments as JSON types."""
        return {"regions": self.rows(), "segments": [asdict(segment) for segment in self.segments]}


def region_mask(labels: np.ndarray, region: str) -> np.ndarray:
    """Return one of :data:`REGIONS` as bool, shape of ``labels``."""
    if region == "myocardium":
        return myocardium_mask(labels)
    if region == "infarct":
        return infarct_mask(labels)
    return labels == {"cavity": Label.CAVITY, "mi": Label.INFARCT, "mvo": Label.MVO}[region]


def dice(mask: np.ndarray, reference: np.ndarray, *, empty: float = 1.0) -> float:
    """Return the Dice overlap of two bool arrays of one shape; ``empty`` where neither holds a voxel."""
    total = int(mask.sum()) + int(reference.sum())
    return 2 * int((mask & reference).sum()) / total if total else empty


def compare(
    labels: np.ndarray, reference: np.ndarray, geometry: Geometry, frame: LVFrame | None = None
) -> Comparison:
    """Compare ``labels`` with ``reference``, both (z, y, x) label maps on ``geometry``.

    ``frame`` is the reference's; wall outside it falls to the nearest segment, so the segments' differences
    sum to the whole one. Raises StudyError where the shapes differ.
    """
    if not labels.shape == reference.shape == geometry.shape:
        raise StudyError(
            f"The labels {labels.shape}, the reference {reference.shape} and the study {geometry.shape} have "
            "different shapes; give both label maps on the study's own grid."
        )
    either_wall = myocardium_mask(labels) | myocardium_mask(reference)
    regions = []
    for region in REGIONS:
        domain = either_wall if region in ("infarct", "mi", "mvo") else np.ones(labels.shape, bool)
        regions.append(_agreement(region, labels, reference, domain, geometry))
    return Comparison(tuple(regions), () if frame is None else _segment_differences(labels, reference, frame))


def _agreement(
    region: str, labels: np.ndarray, reference: np.ndarray, domain: np.ndarray, geometry: Geometry
) -> RegionAgreement:
    a, b = region_mask(labels, region), region_mask(reference, region)
    positives, reference_positives, true_positives = int(a.sum()), int(b.sum()), int((a & b).sum())
    negatives = int((domain & ~b).sum())
    hd95, distance = _surface_distances(a, b, geometry)
    return RegionAgreement(
        region=region,
        dice=dice(a, b),
        dice_non_empty=dice(a, b, empty=float("nan")),
        precision=_ratio(true_positives, positives),
        sensitivity=_ratio(true_positives, reference_positives),
        specificity=_ratio(int((domain & ~a & ~b).sum()), negatives),
        hd95_mm=hd95,
        surface_distance_mm=distance,
        volume_ml=positives * geometry.voxel_volume_ml,
        reference_ml=reference_positives * geometry.voxel_volume_ml,
    )


def _surface_distances(a: np.ndarray, b: np.ndarray, geometry: Geometry) -> tuple[float, float]:
    """Symmetric 95th-percentile Hausdorff and mean surface distance in mm; NaN where a region is empty."""
    if not a.any() or not b.any():
        return float("nan"), float("nan")
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    first, second = (torch.from_numpy(mask[None, None].astype(np.uint8)) for mask in (a, b))
    spacing = list(geometry.spacing_zyx)
    with warnings.catch_warnings():
        # MONAI 1.5–1.6 warns of a deprecated argument that it passes to itself.
        warnings.simplefilter("ignore", FutureWarning)
        hd95 = compute_hausdorff_distance(
            first, second, include_background=True, percentile=95, spacing=spacing
        )
        distance = compute_average_surface_distance(
            first, second, include_background=True, symmetric=True, spacing=spacing
        )
    return float(hd95), float(distance)


def _segment_differences(
    labels: np.ndarray, reference: np.ndarray, frame: LVFrame
) -> tuple[SegmentDifference, ...]:
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(
        frame.segments == 0,
        sampling=frame.geometry.spacing_zyx,
        return_distances=False,
        return_indices=True,
    )
    segments = frame.segments[tuple(nearest)]

    def differences(mask: np.ndarray, reference_mask: np.ndarray) -> np.ndarray:
        counts = [np.bincount(segments[m], minlength=18) for m in (mask, reference_mask)]
        return (counts[0] - counts[1]) * frame.geometry.voxel_volume_ml

    columns = [
        differences(region_mask(labels, region), region_mask(reference, region))
        for region in ("myocardium", "infarct", "mvo")
    ]
    return tuple(SegmentDifference(k, *(float(column[k]) for column in columns)) for k in range(1, 18))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _or_none(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value
