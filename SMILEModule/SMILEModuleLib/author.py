"""What the SMILE panel asks the worker for: the study's heart, a scar in it, a random scar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from claimslicer.errors import FrameMissing
from claimslicer.smile import ScarSpec
from claimslicer.worker.messages import study_values
from ClaimSlicerLib import insertion_points
from ClaimSlicerLib.mrml import volume_study
from ClaimSlicerLib.worker import Job, Latest, Worker

from SMILEModuleLib.scar_node import Made


@dataclass(frozen=True)
class Heart:
    """A study's heart as the worker found it: ml of wall and of present scar in each segment it shows.

    ``segments`` are the AHA segments ``(z, y, x)`` on the study's grid.
    """

    key: str
    wall_ml: dict[int, float]
    existing_ml: dict[int, float]
    lv_ml: float
    segments: np.ndarray = field(compare=False)

    @classmethod
    def from_answer(cls, answer: dict) -> Heart:
        """Take the answer of the task ``frame``."""
        wall, existing = (
            {int(number): ml for number, ml in answer[name].items() if ml > 0}
            for name in ("segment_ml", "existing_ml")
        )
        return cls(answer["key"], wall, existing, answer["lv_ml"], answer["segments"])


@dataclass(frozen=True)
class Scar:
    """A scar in a heart, what of it is new (bool, ``(z, y, x)``), and how much of it came out where.

    ``remark`` says why it isn't of the pattern asked for, where that is so.
    """

    made: Made
    added: np.ndarray
    volume_ml: float
    mvo_ml: float
    total_ml: float
    segment_ml: dict[int, float]
    remark: str = ""


class Author:
    """Asks for hearts and scars, the newest wish first; answers and errors come through the callbacks.

    ``on_heart`` gets a Heart, ``on_scar`` a Scar, ``on_spec`` a random ScarSpec, ``on_error`` an exception.
    """

    def __init__(
        self,
        worker: Worker,
        on_heart: Callable[[Heart], None],
        on_scar: Callable[[Scar], None],
        on_spec: Callable[[ScarSpec], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self.heart: Heart | None = None
        self._worker = worker
        self._on_heart, self._on_scar, self._on_spec = on_heart, on_scar, on_spec
        self._on_error = on_error
        self._hearts = Latest(worker, "frame", self._take_heart)
        self._scars = Latest(worker, "scar", self._take_scar)
        self._draw: Job | None = None
        self._arguments: dict | None = None

    def look_at(self, parameters) -> None:
        """Ask for the heart of the study that ``parameters`` name.

        Raises ClaimError where nodes can't be used; then there is no heart.
        """
        self.stop()
        points = parameters.insertions
        self._arguments = {
            "study": study_values(volume_study(parameters.volume, parameters.labels)),
            "insertions": None if points is None else insertion_points.values(points),
            "rule": parameters.rule.value,
        }
        self._hearts.request(self._arguments)

    def ask_for(self, spec: ScarSpec) -> None:
        """Ask for the scar of ``spec``."""
        self._scars.request({"key": self.heart.key, "spec": spec.to_dict()})

    def draw(self, seed: int) -> None:
        """Ask for a random scar; ``seed`` makes both its place and its grain."""
        if self._draw is not None:
            self._draw.cancel()

        def done(answer: dict | None, error: Exception | None) -> None:
            self._draw = None
            if isinstance(error, FrameMissing):
                self._hearts.request(self._arguments)
            if error is not None:
                self._on_error(error)
            else:
                self._on_spec(ScarSpec.from_dict({**answer["spec"], "seed": seed}))

        self._draw = self._worker.request("random_spec", {"key": self.heart.key, "seed": seed}, done)

    def stop(self) -> None:
        """Ask for nothing any more and forget the heart."""
        self.heart = None
        self._hearts.stop()
        self._scars.stop()
        if self._draw is not None:
            self._draw.cancel()

    def _take_heart(self, answer: dict | None, error: Exception | None) -> None:
        if error is not None:
            self._on_error(error)
            return
        self.heart = Heart.from_answer(answer)
        self._on_heart(self.heart)

    def _take_scar(self, answer: dict | None, error: Exception | None) -> None:
        if isinstance(error, FrameMissing):
            # A new worker, or one busy with other studies: the heart first, then the scar again.
            self._hearts.request(self._arguments)
            return
        if error is not None:
            self._on_error(error)
            return
        spec = ScarSpec.from_dict(answer["spec"])
        made = Made(answer["labels"], spec, answer["key"], answer["sentence"])
        segment_ml = {int(number): ml for number, ml in answer["segment_ml"].items()}
        amounts = (answer[name] for name in ("volume_ml", "mvo_ml", "total_ml"))
        self._on_scar(Scar(made, answer["added"], *amounts, segment_ml, answer["remark"]))
