"""What painting gives: the image, its difference to the study, its recipe, and how these are written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from claimslicer.brief import brief
from claimslicer.errors import OutputError
from claimslicer.labels import Label, ScarLabel
from claimslicer.studies import Study, check_volume_path, write_volume
from claimslicer.studies.synthetic import split_suffix


@dataclass(frozen=True)
class SynthesisResult:
    """``image`` in the study's own type, ``difference`` (new − old) float32, ``band`` (uint8) and the recipe.

    All arrays are ``(z, y, x)``. ``band`` says what was painted: 1 the scar, 2 what lies round it; where it
    is 0 the image is the study's own, bit for bit. The recipe has JSON types. ``study`` is the painted study:
    its labels hold the scar, and it is synthetic.
    """

    image: np.ndarray
    difference: np.ndarray
    band: np.ndarray
    recipe: dict[str, Any]
    study: Study

    __repr__ = brief

    @property
    def synthetic(self) -> bool:
        """True: whatever is made from this is marked as synthetic."""
        return self.study.synthetic

    def write(self, path: str | Path, difference: str | Path | None = None) -> list[Path]:
        """Write image, band, and the difference where a path is given, and return the paths written.

        The band's name is the image's with ``_band``. All are marked as synthetic, in their names too, the
        recipe lies beside each, and the image is stored as the study's own file stores it:
        :func:`claimslicer.studies.write_volume`. Raises OutputError, also where this would write over the
        study's own file, before anything is written.
        """
        source = self.recipe["source"]["path"]
        inputs = [] if source is None else [source]
        asked = [path] if difference is None else [path, difference]
        asked.append(band_path(path))
        files = [check_volume_path(one, synthetic=self.synthetic, inputs=inputs) for one in asked]
        if len({file.resolve() for file in files}) < len(files):
            raise OutputError(f"{files[0]} is to hold two results: give each a name of its own.")
        marks: dict[str, Any] = {"recipe": self.recipe, "inputs": inputs}
        geometry, encoding = self.study.geometry, self.study.encoding
        written = [write_volume(path, self.image, geometry, encoding=encoding, **marks)]
        written.append(write_volume(band_path(path), self.band, geometry, **marks))
        if difference is not None:
            written.append(write_volume(difference, self.difference, geometry, **marks))
        return written


def band_path(image: str | Path) -> Path:
    """Return where the band of what is painted in ``image`` is written: ``image_band.nii.gz``."""
    stem, suffix = split_suffix(Path(image))
    return Path(image).with_name(f"{stem}_band{suffix}")


def painted_study(study: Study, image: np.ndarray, labels: np.ndarray, scar: np.ndarray) -> Study:
    """Return ``study`` with the painted ``image``, and with ``scar`` (:class:`ScarLabel`) in its labels."""
    marked = np.where(scar == ScarLabel.SCAR, Label.INFARCT, labels)
    marked = np.where(scar == ScarLabel.MVO, Label.MVO, marked).astype(labels.dtype)
    return replace(
        study,
        name=f"{study.name}-with-scar",
        image=image,
        labels=marked,
        source=None,  # the file holds another image
        synthetic=True,
        metadata={name: value for name, value in study.metadata.items() if name != "labels"},
    )
