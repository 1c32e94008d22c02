"""Segmenting LGE studies: networks, preprocessing, prediction."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from claimslicer.segmentation.predict import SegmentationResult, segment

__all__ = ["SegmentationResult", "segment"]


def __getattr__(name: str) -> Any:
    """Import torch only when something is segmented: Slicer panels import this package at start-up."""
    if name in __all__:
        from claimslicer.segmentation import predict

        return getattr(predict, name)
    raise AttributeError(name)
