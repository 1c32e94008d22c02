"""Arguments that several commands share, and what they stand for: the study, its labels, its frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from claimslicer.errors import AnatomyError, OutputError, SpecificationError, StudyError
from claimslicer.outputs import all_or_none

if TYPE_CHECKING:
    import numpy as np

    from claimslicer.anatomy import AngleRule, Insertions, LVFrame
    from claimslicer.cli.reporting import Told
    from claimslicer.studies import Study
    from claimslicer.studies.readers.dicom_stacks import Choice

StudyArgument = Annotated[
    Path,
    typer.Argument(
        metavar="STUDY",
        help="A volume file, an EMIDEC, MyoPS or ACDC case folder, a DICOM folder or file, or a zip of one.",
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
SeriesOption = Annotated[
    str | None,
    typer.Option(
        "--series",
        metavar="NUMBER|UID",
        help="Which series of a DICOM folder, as inspect lists them.",
        show_default=False,
    ),
]
KindOption = Annotated[
    Literal["PSIR", "magnitude"] | None,
    typer.Option("--kind", help="Which kind of image, where a folder has both.", show_default=False),
]
AcquisitionOption = Annotated[
    str | None,
    typer.Option(
        "--acquisition",
        metavar="NUMBER",
        help="Which acquisition, where a series has several.",
        show_default=False,
    ),
]
ReformatOption = Annotated[
    Path | None,
    typer.Option(
        "--reformat",
        metavar="FILE",
        help="Where slices don't lie across the ventricle: make a short-axis stack, write it to FILE and "
        "go on with that.",
        show_default=False,
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps …")]

SeedOption = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same result.")]


def choice_of(series: str | None, kind: str | None, acquisition: str | None) -> Choice:
    """Return which of a DICOM folder's stacks the options ask for."""
    from claimslicer.studies.readers.dicom_stacks import Choice

    return Choice(series, kind, acquisition)


def labelled_study(path: Path, labels: Path | None, choice: Choice | None = None) -> tuple[Study, np.ndarray]:
    """Read a study and the labels that it must have, its own or those given.

    Labels that were made from a synthetic image make all that follows synthetic.
    """
    from claimslicer.studies import read_study
    from claimslicer.studies.readers.dicom_stacks import NO_CHOICE
    from claimslicer.studies.synthetic import is_marked_beside

    study = read_study(path, labels, choice or NO_CHOICE)
    if labels is not None and is_marked_beside(labels):
        study = replace(study, synthetic=True)
    if study.labels is None:
        raise StudyError(
            f"{path} comes without labels: give them with --labels, or make them with 'claim-slicer segment'."
        )
    return study, study.labels


def say_notes(report: Told, study: Study) -> None:
    """Tell what the reader noted that the user must know."""
    from claimslicer.studies.study import NOTES

    if note := study.metadata.get(NOTES):
        report.say(note)
    if placed := study.metadata.get("labels placed"):
        report.say(f"The labels lie on another grid: {placed}.")


def reformatted(
    study: Study, file: Path, command: str, inputs: Sequence[Path], report: Told
) -> tuple[Study, np.ndarray]:
    """Return ``study``, which has labels, as a short-axis stack with its labels, both written to ``file``.

    The labels go beside it, as ``FILE_labels``.
    """
    from claimslicer.anatomy.short_axis import to_short_axis
    from claimslicer.studies import make_recipe, write_volume
    from claimslicer.studies.segments import LABEL_SEGMENTS

    beside = labels_beside(file)
    files = check_volume_outputs(file, beside, inputs=inputs, synthetic=study.synthetic)
    assert study.labels is not None
    labels = study.labels
    stack = to_short_axis(study, lambda _: labels)
    assert stack.labels is not None
    recipe = make_recipe(command, study, {"reformatted_to": stack.geometry})
    marks: dict[str, Any] = {"recipe": recipe, "synthetic": study.synthetic, "inputs": inputs}
    with all_or_none(files):
        image = write_volume(file, stack.image, stack.geometry, **marks)
        drawn = write_volume(
            labels_beside(image), stack.labels, stack.geometry, segments=LABEL_SEGMENTS, **marks
        )
        report.wrote(image, drawn)
    return stack, stack.labels


def labels_beside(image: Path) -> Path:
    """Return where the labels of the volume ``image`` lie: ``heart.nii.gz`` → ``heart_labels.nii.gz``."""
    from claimslicer.studies.synthetic import split_suffix

    stem, suffix = split_suffix(image)
    return image.with_name(f"{stem}_labels{suffix}")


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
