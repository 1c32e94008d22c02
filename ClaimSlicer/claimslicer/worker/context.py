"""What a task gets beside its arguments: where to report progress, and the frames kept warm."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from claimslicer.anatomy import LVFrame
from claimslicer.errors import FrameMissing
from claimslicer.events import SILENT, Events
from claimslicer.labels import scar_of_labels
from claimslicer.studies import Study

KEPT_FRAMES = 6
"""A study of 256 × 256 × 20 voxels and its frame take about 35 MB."""


@dataclass(frozen=True)
class KeptFrame:
    """A frame and the labelled study that it belongs to; ``study_key`` is the study's content hash."""

    key: str
    study_key: str
    study: Study
    frame: LVFrame

    @cached_property
    def existing(self) -> np.ndarray:
        """The scar that the study's labels hold, ``(z, y, x)`` uint8 values of ScarLabel."""
        assert self.study.labels is not None
        return scar_of_labels(self.study.labels)


class Frames:
    """The frames used last, by content hash."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, KeptFrame] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        """Say whether the frame ``key`` is still there."""
        return key in self._kept

    def __getitem__(self, key: str) -> KeptFrame:
        """Return the frame ``key``; FrameMissing when it was never made or has made room for others."""
        if key not in self._kept:
            raise FrameMissing("The heart's model isn't in memory any more: it has to be computed again.")
        self._kept.move_to_end(key)
        return self._kept[key]

    def keep(self, kept: KeptFrame) -> KeptFrame:
        """Keep a frame and let the one go that wasn't used for longest."""
        self._kept[kept.key] = kept
        if len(self._kept) > KEPT_FRAMES:
            self._kept.popitem(last=False)
        return kept


@dataclass
class Context:
    """``events.progress`` raises Cancelled once the user has asked for that."""

    events: Events = SILENT
    frames: Frames = field(default_factory=Frames)
