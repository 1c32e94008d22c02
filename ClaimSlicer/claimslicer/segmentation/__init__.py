"""Segmenting LGE studies: networks, preprocessing, prediction."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from claimslicer.segmentation.predict import SegmentationResult, segment

__all__ = ["SegmentationResult", "segment"]


def __getattr__(name: str) -> Any:
    """Import torch only when something is segmented: Slicer panels import this package at start-up."""
    if name in __all__:
        _import_monai()
        from claimslicer.segmentation import predict

        return getattr(predict, name)
    raise AttributeError(name)


def __dir__() -> list[str]:
    return list(__all__)


def _import_monai() -> None:
    """Import MONAI, which takes every package that it knows where it is there, without *transformers*.

    That one takes as long as all of the rest, 2.5 s of processor time, for a network that isn't used here. It
    can be imported afterwards.
    """
    if "monai" in sys.modules or "transformers" in sys.modules:
        return
    sys.modules["transformers"] = None  # type: ignore[assignment]  # an import of it fails meanwhile
    try:
        import monai  # noqa: F401
    finally:
        del sys.modules["transformers"]
