"""Arguments that several commands share, and what they stand for: the study, its labels, its frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from claimslicer.errors import AnatomyError, OutputError, SpecificationError, StudyError

if TYPE_CHECKING:
    import numpy as np

    from claimslicer.anatomy import AngleRule, Insertions, LVFrame
    from claimslicer.studies import Study

StudyArgument = Annotated[
    Path,
    typer.Argument(
        metavar="STUDY",
        help="A volume file, an EMIDEC, MyoPS or ACDC case folder, or a DICOM folder.",
        show_default=False,
    ),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels", help="Label map to use instead of the one beside the study.", show_default=False
    ),
]
InsertionsOption = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--insertions",
        metavar="X,Y,Z X,Y,Z",
        help="Anterior and inferior RV insertion point, LPS mm; else from an RV label or the image.",
        show_default=False,
    ),
]
RuleOption = Annotated[
    Literal["fixed", "septal"],
    typer.Option("--rule", help="Segments 60° wide from the anterior insertion, or fitted to the septum."),
]
ApexOption = Annotated[
    bool | None,
    typer.Option(
        "--apex-first/--apex-last",
        help="Which end of the stack the apex is; else told from the labels.",
        show_default=False,
    ),
]
MirroredOption = Annotated[
    bool, typer.Option("--mirrored", help="The header's orientation shows the heart as in a mirror.")
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", help="Model's name, folder or .safetensors file; else the shipped one.", show_default=False
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps …")]

SeedOption = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same result.")]


def labelled_study(path: Path, labels: Path | None) -> tuple[Study, np.ndarray]:
    """Read a study and the labels that it must have, its own or those given.

    Labels that were made from a synthetic image make all that follows synthetic.
    """
    from claimslicer.studies import read_study
    from claimslicer.studies.synthetic import is_marked_beside

    study = read_study(path, labels)
    if labels is not None and is_marked_beside(labels):
        study = replace(study, synthetic=True)
    if study.labels is None:
        raise StudyError(
            f"{path} comes without labels: give them with --labels, or make them with 'claim-slicer segment'."
        )
    return study, study.labels


@dataclass(frozen=True)
class FrameOptions:
    """How the command line wants the LV frame; see :func:`claimslicer.anatomy.build_frame`."""

    insertions: tuple[str, str] | None = None
    rule: AngleRule = "fixed"
    apex_first: bool | None = None
    mirrored: bool = False

    def frame_of(self, study: Study, labels: np.ndarray) -> LVFrame:
        """Build the LV frame of ``labels``, from given insertion points where there are any."""
        from claimslicer.anatomy import build_frame

        points = None if self.insertions is None else parse_insertions(self.insertions)
        return build_frame(
            labels,
            study.geometry,
            image=study.image,
            insertions=points,
            rule=self.rule,
            apex_first=study.apex_first if self.apex_first is None else self.apex_first,
            mirrored=self.mirrored,
        )


def insertions_sentence(frame: LVFrame) -> str:
    """Say where the RV insertions come from, and when not to trust them."""
    from claimslicer.anatomy.landmarks import LOW_CONFIDENCE

    points = frame.insertions
    where = {"given": "were given", "rv-label": "come from the RV label", "image": "were found in the image"}
    sentence = f"RV insertions {where[points.source]} (confidence {points.confidence:.0%})."
    if points.confidence < LOW_CONFIDENCE:
        sentence += " That is low: look at the segments, and give --insertions if they are turned."
    return sentence


def parse_insertions(texts: tuple[str, str]) -> Insertions:
    """Turn ``("x,y,z", "x,y,z")`` into the anterior and inferior insertion points."""
    from claimslicer.anatomy import Insertions

    anterior, inferior = (_point(text) for text in texts)
    return Insertions(anterior, inferior)


def _point(text: str) -> tuple[float, float, float]:
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError as error:
        raise AnatomyError(
            f"{text!r} is no insertion point: give three numbers like 12.5,-40,8 (LPS mm)."
        ) from error
    return x, y, z


def parse_segments(text: str) -> tuple[int, ...]:
    """Turn ``"5,6,11"`` into segment numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise SpecificationError(f"{text!r} is no list of AHA segments: give numbers like 5,6,11.") from error


def parse_range(text: str) -> tuple[float, float]:
    """Turn ``"0-0.5"`` into its two numbers."""
    try:
        low, high = (float(part) for part in text.split("-"))
    except ValueError as error:
        raise SpecificationError(f"{text!r} is no range: give two numbers like 0-0.5.") from error
    return low, high


def check_volume_outputs(
    *paths: Path | None, inputs: Sequence[Path] = (), synthetic: bool = False
) -> list[Path]:
    """Prove before the work that volumes can be written to ``paths``; return the files that will be there.

    Raises OutputError for a name or place that can't be written, an input there, and a path given twice.
    """
    from claimslicer.studies.synthetic import sidecar_path
    from claimslicer.studies.write import check_volume_path

    targets = [check_volume_path(path, synthetic=synthetic, inputs=inputs) for path in paths if path]
    files = [*targets, *map(sidecar_path, targets)]
    check_apart(files)
    return files


def check_apart(files: Sequence[Path]) -> None:
    """Raise OutputError where two outputs are one file."""
    if len({file.absolute() for file in files}) < len(files):
        raise OutputError("Two results would go to the same file: give each a name of its own.")


@contextmanager
def all_or_none(files: Sequence[Path]) -> Iterator[None]:
    """Write several ``files`` in the block: when it fails, those that weren't there before are removed."""
    new = [file for file in files if not file.exists()]
    try:
        yield
    except BaseException:
        for file in new:
            if file.parent.is_dir():
                file.unlink(missing_ok=True)
        raise
