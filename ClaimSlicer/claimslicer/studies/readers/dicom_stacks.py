"""Which slices of a DICOM folder make a stack, and which stack is the late-enhancement short axis."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from claimslicer.errors import StudyError

ANGLE_TOLERANCE = 1e-3
"""Difference of direction cosines up to which slices are parallel (0.06°)."""
PLACE_TOLERANCE_MM = 0.5
"""Slices nearer than this along the normal lie at one place; stacks shifted by less are in line."""
FEWEST_SLICES = 3
"""A stack to be chosen without being asked for has at least so many slices."""

# Words of series descriptions, after "_", "-" and "." are turned into spaces.
_LGE = re.compile(r"lge|delay|late|del ?enh|\bde\b|enhanc|psir|viab|\bmde\b|scar|\bir\b")
_ANOTHER = re.compile(
    # other sequences, and late enhancement along the long axis
    r"cine|scout|local|survey|\bt2|t1 ?map|molli|perf|haste|flow|tagg|stir|ecv"
    r"|\b[234] ?ch|[234] ?cham|\b[234] ?c\b|\blax?\b|long|\bvla\b|\bhla\b|\blvot\b"
)
_SHORT_AXIS = re.compile(r"sax|\bsa\b|short")


@dataclass(frozen=True, eq=False)
class Slice:
    """One image of one file: where it lies, what it shows. ``axes`` is (2, 3): along a row, down a column."""

    path: Path
    frame: int
    uid: str
    study: str
    series: str
    series_number: int
    description: str
    kind: str
    shape: tuple[int, int]
    spacing: tuple[float, float]
    axes: np.ndarray
    position: np.ndarray
    slope: float
    intercept: float
    synthetic: bool

    @property
    def normal(self) -> np.ndarray:
        """The direction that turns row, column, normal into a right-handed frame."""
        return np.cross(self.axes[0], self.axes[1])

    def in_line_with(self, other: Slice) -> bool:
        """Say whether both have the same grid and lie straight above each other."""
        shift = self.position - other.position
        return (
            (self.study, self.shape, self.kind) == (other.study, other.shape, other.kind)
            and np.allclose(self.spacing, other.spacing, rtol=1e-3)
            and np.allclose(self.axes, other.axes, atol=ANGLE_TOLERANCE)
            and np.abs(other.axes @ shift).max() < PLACE_TOLERANCE_MM
        )


@dataclass(frozen=True, eq=False)
class Stack:
    """Parallel slices in line, by height along their normal; several at one height if ``repeats``."""

    slices: list[Slice] = field(default_factory=list)

    @property
    def heights(self) -> np.ndarray:
        """Height of each slice along the first one's normal, in mm."""
        normal = self.slices[0].normal
        return np.array([piece.position @ normal for piece in self.slices])

    @property
    def repeats(self) -> bool:
        """True where several images lie at one place, as in cine."""
        return len(self.slices) > 1 and bool(np.diff(self.heights).min() < PLACE_TOLERANCE_MM)

    @property
    def words(self) -> str:
        """The series description, ready to look for words."""
        return re.sub(r"[_\-.]+", " ", self.slices[0].description).lower()

    def __str__(self) -> str:
        first = self.slices[0]
        count = len(self.slices)
        images = f"{count} images" if self.repeats else "1 slice" if count == 1 else f"{count} slices"
        numbers = sorted({piece.series_number for piece in self.slices})
        series = f"series {numbers[0]}" if len(numbers) == 1 else f"series {numbers[0]}–{numbers[-1]}"
        return f"“{first.description or 'no description'}” ({first.kind}, {images}, {series})"


def kind_of(image_type: tuple[str, ...], description: str) -> str:
    """Return "PSIR", "magnitude", "phase" or "unknown" of an image.

    Siemens writes PSIR or MAG into Image Type or the series description, Philips calls the PSIR image real
    (R) or corrected real (CR); M and P are the common letters for magnitude and phase.
    """
    types = {part for item in image_type[2:] for part in re.split(r"[_ ]", item.upper())}
    words = set(re.split(r"[^A-Z]+", description.upper()))
    for found in (types, words):
        if found & {"MAG", "MAGNITUDE"}:
            return "magnitude"
        if "PSIR" in found or (found is types and found & {"R", "CR", "REAL"}):
            return "PSIR"
    if types & {"P", "PHASE"}:
        return "phase"
    return "magnitude" if "M" in types else "unknown"


def group(slices: Iterable[Slice]) -> list[Stack]:
    """Sort slices into stacks: first series by series, then series that continue each other.

    Some exports put each slice of a stack in a series of its own. Such series have the same description but
    for numbers, are in line, and lie at other heights; at the same heights they are another acquisition.
    """
    ordered = sorted(slices, key=lambda piece: (piece.series_number, piece.series, piece.path, piece.frame))
    parts: list[list[Slice]] = []
    for piece in ordered:
        _add(parts, [piece], lambda part, new: part[0].series == new[0].series)
    whole: list[list[Slice]] = []
    for part in parts:
        _add(whole, part, _continues)
    return [Stack(_by_height(part)) for part in whole]


def _by_height(slices: list[Slice]) -> list[Slice]:
    normal = slices[0].normal
    return sorted(slices, key=lambda piece: float(piece.position @ normal))


def _add(
    parts: list[list[Slice]], new: list[Slice], belongs: Callable[[list[Slice], list[Slice]], bool]
) -> None:
    for part in parts:
        if new[0].in_line_with(part[0]) and belongs(part, new):
            part.extend(new)
            return
    parts.append(list(new))


def _continues(part: list[Slice], new: list[Slice]) -> bool:
    names = {re.sub(r"\d+", "", piece.description).strip(" _-") for piece in (part[0], new[0])}
    heights, more = ([piece.position @ part[0].normal for piece in pieces] for pieces in (part, new))
    apart = np.abs(np.subtract.outer(heights, more)).min() >= PLACE_TOLERANCE_MM
    return len(names) == 1 and bool(apart)


def choose(stacks: list[Stack], folder: Path, wanted: Path | None = None) -> tuple[Stack, str]:
    """Return the late-enhancement short-axis stack and the reason for it.

    ``wanted`` is a file of the stack that the user asks for. StudyError, listing the stacks, where none or
    more than one may be meant.
    """
    if wanted is not None:
        stack = next((stack for stack in stacks if any(piece.path == wanted for piece in stack.slices)), None)
        if stack is None or stack.repeats:
            raise StudyError(f"{wanted} belongs to no stack of single slices; {_listed(stacks)}.")
        return stack, f"asked for by {wanted.name}"
    left = [stack for stack in stacks if len(stack.slices) >= FEWEST_SLICES and not stack.repeats]
    left = [stack for stack in left if stack.slices[0].kind != "phase" and not _ANOTHER.search(stack.words)]
    if not left:
        raise StudyError(f"{folder} holds no late-enhancement short-axis stack; {_listed(stacks)}.")
    reasons = []
    for reason, keep in _PREFERENCES:
        kept = [stack for stack in left if keep(stack)]
        if kept and len(kept) < len(left):
            left = kept
            reasons.append(reason)
    if len(left) > 1 and {stack.slices[0].kind for stack in left} == {"PSIR", "magnitude"}:
        left = [stack for stack in left if stack.slices[0].kind == "PSIR"]
        reasons.append("PSIR rather than magnitude")
    if len(left) > 1:
        raise StudyError(
            f"{folder} holds {len(left)} stacks that may be meant: {'; '.join(map(str, left))}; "
            "give one file of the right one in place of the folder."
        )
    says = "" if _LGE.search(left[0].words) else "; nothing in it says late enhancement"
    return left[0], (", ".join(reasons) or "the only stack") + says


_PREFERENCES: tuple[tuple[str, Callable[[Stack], bool]], ...] = (
    ("described as late enhancement", lambda stack: bool(_LGE.search(stack.words))),
    ("described as short axis", lambda stack: bool(_SHORT_AXIS.search(stack.words))),
)


def _listed(stacks: list[Stack]) -> str:
    shown = "; ".join(map(str, stacks[:8])) + ("; …" if len(stacks) > 8 else "")
    return f"it has {shown}"
