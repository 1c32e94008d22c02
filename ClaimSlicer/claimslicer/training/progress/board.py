"""A training's events as TensorBoard's logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from claimslicer.errors import ModelError


class BoardEvents:
    """Writes the numbers of ``metrics`` and ``validation``; a receiver as :class:`claimslicer.events.Events`.

    A run that goes on writes one file more, and what it does again goes over what was there. Raises
    ModelError where tensorboardX is missing.
    """

    def __init__(self, folder: Path, step: int) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ModelError(
                "TensorBoard's logs need tensorboardX: pip install 'claim-slicer[fabric]', or set "
                "'tensorboard: false'."
            ) from error
        # Without the step two runs within a second would write to one file.
        self._writer = SummaryWriter(
            str(folder), purge_step=step + 1, flush_secs=2, filename_suffix=f".{step}"
        )

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """Drop it."""

    def emit(self, kind: str, **values: Any) -> None:
        """Write the numbers of an event that has a step."""
        if kind in ("metrics", "validation"):
            step = values.pop("step")
            for name, value in values.items():
                self._writer.add_scalar(f"{kind}/{name}", value, step)
