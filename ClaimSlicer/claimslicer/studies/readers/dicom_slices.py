"""Slices of a DICOM folder, and the stacks that they make."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

ANGLE_TOLERANCE = 1e-3
"""Difference of direction cosines up to which slices are parallel (0.06°)."""
PLACE_TOLERANCE_MM = 0.5
"""Slices nearer than this along the normal lie at one place; stacks shifted by less are in line."""
TWO_GOES_DEG = 1.0
"""Halves of a stack that were planned in two goes may be turned against each other by so much."""
TWO_GOES_MM = 5.0
"""They may be shifted along their plane by so much."""
TWO_GOES_GAP = 0.15
"""The slice distance between them may differ by this fraction of the distance within."""
FEW_REPEATED = 0.5
"""Where at most this share of the places has more than one image, slices were acquired again."""


@dataclass(frozen=True, eq=False)
class Slice:
    """One image of one file: where it lies, what it shows. ``axes`` is (2, 3): along a row, down a column.

    ``traits`` are what may tell images at one place apart, ``taken`` sorts them by time, ``cine`` says that
    the header counts several images of a heart beat. ``patient`` tells patients apart and is shown nowhere.
    """

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
    image_type: tuple[str, ...] = ()
    component: str = ""
    traits: Mapping[str, str] = field(default_factory=dict)
    taken: tuple[str, ...] = ()
    cine: bool = False
    patient: str = ""

    @property
    def normal(self) -> np.ndarray:
        """The direction that turns row, column, normal into a right-handed frame."""
        return np.cross(self.axes[0], self.axes[1])

    @property
    def centre(self) -> np.ndarray:
        """The middle of the slice in LPS mm."""
        rows, columns = self.shape
        return (
            self.position
            + self.axes[0] * self.spacing[1] * (columns - 1) / 2
            + self.axes[1] * self.spacing[0] * (rows - 1) / 2
        )

    @property
    def plain_name(self) -> str:
        """The description without its numbers, in which slices of one stack may differ."""
        return re.sub(r"\d+", "", self.description).strip(" _-")

    def has_grid_of(self, other: Slice) -> bool:
        """Say whether both are of one study and kind, with as many pixels of the same size."""
        return (self.study, self.shape, self.kind) == (other.study, other.shape, other.kind) and np.allclose(
            self.spacing, other.spacing, rtol=1e-3
        )

    def in_line_with(self, other: Slice) -> bool:
        """Say whether both have the same grid and lie straight above each other."""
        shift = self.position - other.position
        return (
            self.has_grid_of(other)
            and np.allclose(self.axes, other.axes, atol=ANGLE_TOLERANCE)
            and np.abs(other.axes @ shift).max() < PLACE_TOLERANCE_MM
        )

    def nearly_in_line_with(self, other: Slice) -> bool:
        """Say whether both were planned alike, in two goes: see :data:`TWO_GOES_DEG`."""
        turned = np.degrees(np.arccos(np.clip((self.axes * other.axes).sum(axis=1), -1, 1))).max()
        shift = self.centre - other.centre
        return (
            self.has_grid_of(other)
            and turned <= TWO_GOES_DEG
            and bool(np.abs(other.axes @ shift).max() <= TWO_GOES_MM)
        )


@dataclass(frozen=True, eq=False)
class Stack:
    """Parallel slices in line, by height along their normal; several at one height if ``repeats``.

    ``apart`` is what tells it from other images of its series, ``notes`` are sentences about how it was put
    together. ``planned_first`` is a slice of the greater part of a stack that was planned in two goes.
    """

    slices: list[Slice] = field(default_factory=list)
    apart: str = ""
    notes: tuple[str, ...] = ()
    planned_first: Slice | None = None

    @property
    def reference(self) -> Slice:
        """The slice whose axes the stack has."""
        return self.slices[0] if self.planned_first is None else self.planned_first

    @property
    def heights(self) -> np.ndarray:
        """Height of each slice's middle along the reference's normal, in mm."""
        normal = self.reference.normal
        return np.array([piece.centre @ normal for piece in self.slices])

    @property
    def repeats(self) -> bool:
        """True where several images lie at one place, as in cine."""
        return len(self.slices) > 1 and bool(np.diff(self.heights).min() < PLACE_TOLERANCE_MM)

    @property
    def words(self) -> str:
        """The series description, ready to look for words."""
        return re.sub(r"[_\-.]+", " ", self.slices[0].description).lower()

    @property
    def series_numbers(self) -> list[int]:
        """The numbers of the series that its slices come from."""
        return sorted({piece.series_number for piece in self.slices})

    def __str__(self) -> str:
        first = self.slices[0]
        count = len(self.slices)
        images = f"{count} images" if self.repeats else "1 slice" if count == 1 else f"{count} slices"
        numbers = self.series_numbers
        series = f"series {numbers[0]}" if len(numbers) == 1 else f"series {numbers[0]}–{numbers[-1]}"
        apart = f", {self.apart}" if self.apart else ""
        return f"“{first.description or 'no description'}” ({first.kind}, {images}, {series}{apart})"


def kind_of(image_type: tuple[str, ...], description: str, component: str = "") -> str:
    """Return "PSIR", "magnitude", "phase" or "unknown" of an image.

    Siemens writes PSIR or MAG into Image Type or the series description, Philips calls the PSIR image real
    (R) or corrected real (CR); M and P are the common letters for magnitude and phase. ``component`` is
    Complex Image Component (0008,9208) of enhanced images.
    """
    types = {part for item in image_type[2:] for part in re.split(r"[_ ]", item.upper())}
    words = set(re.split(r"[^A-Z]+", description.upper()))
    for found in (types, words):
        if found & {"MAG", "MAGNITUDE"}:
            return "magnitude"
        if "PSIR" in found or (found is types and found & {"R", "CR", "REAL"}):
            return "PSIR"
    of_component = {"MAGNITUDE": "magnitude", "REAL": "PSIR", "PHASE": "phase"}.get(component.upper())
    if of_component is not None:
        return of_component
    if types & {"P", "PHASE"}:
        return "phase"
    return "magnitude" if "M" in types else "unknown"


def group(slices: Iterable[Slice]) -> list[Stack]:
    """Sort slices into stacks: first series by series, then series that continue each other.

    Some exports put each slice of a stack in a series of its own. Such series have the same description but
    for numbers, are in line, and lie at other heights; at the same heights they are another acquisition.
    Where a series has several images at one place, it is taken apart by what its headers tell; a few that
    were acquired again replace those before.
    """
    ordered = sorted(slices, key=lambda piece: (piece.series_number, piece.series, piece.path, piece.frame))
    parts: list[list[Slice]] = []
    for piece in _with_kinds(ordered):
        _add(parts, [piece], lambda part, new: part[0].series == new[0].series)
    single = [stack for part in parts for stack in _told_apart(_by_height(part))]
    whole: list[list[Slice]] = []
    others = []
    for stack in single:
        if stack.apart or stack.notes or stack.repeats:
            others.append(stack)
        else:
            _add(whole, stack.slices, _continues)
    return _in_two_goes([*(Stack(_by_height(part)) for part in whole), *others])


def _with_kinds(slices: list[Slice]) -> list[Slice]:
    """Settle what each image shows: by the headers alone where they tell apart what shares a description."""
    told: dict[tuple[str, str], set[str]] = {}
    by_header = [kind_of(piece.image_type, "", piece.component) for piece in slices]
    for piece, kind in zip(slices, by_header, strict=True):
        told.setdefault((piece.study, piece.plain_name), set()).add(kind)
    return [
        replace(
            piece,
            kind=kind
            if len(told[piece.study, piece.plain_name]) > 1
            else kind_of(piece.image_type, piece.description, piece.component),
        )
        for piece, kind in zip(slices, by_header, strict=True)
    ]


def _by_height(slices: list[Slice]) -> list[Slice]:
    normal = slices[0].normal
    return sorted(slices, key=lambda piece: float(piece.centre @ normal))


def _add(
    parts: list[list[Slice]], new: list[Slice], belongs: Callable[[list[Slice], list[Slice]], bool]
) -> None:
    for part in parts:
        if new[0].in_line_with(part[0]) and belongs(part, new):
            part.extend(new)
            return
    parts.append(list(new))


def _continues(part: list[Slice], new: list[Slice]) -> bool:
    return part[0].plain_name == new[0].plain_name and _at_other_heights(part, new)


def _at_other_heights(part: list[Slice], new: list[Slice]) -> bool:
    heights, more = ([piece.centre @ part[0].normal for piece in pieces] for pieces in (part, new))
    return bool(np.abs(np.subtract.outer(heights, more)).min() >= PLACE_TOLERANCE_MM)


def _places(slices: list[Slice]) -> list[list[Slice]]:
    """Return the slices (by height) of each place."""
    heights = Stack(slices).heights
    breaks = np.flatnonzero(np.diff(heights) >= PLACE_TOLERANCE_MM) + 1
    return [list(piece) for piece in np.split(np.array(slices, object), breaks)]


def _told_apart(slices: list[Slice]) -> list[Stack]:
    """Return the stacks of a series' slices in line, by height."""
    places = _places(slices)
    most = max(map(len, places))
    if most == 1:
        return [Stack(slices)]
    for trait in dict.fromkeys(name for piece in slices for name in piece.traits):
        values: dict[str, list[Slice]] = {}
        for piece in slices:
            values.setdefault(piece.traits.get(trait, "none"), []).append(piece)
        stacks = [Stack(part, f"{trait} {value}") for value, part in values.items()]
        enough = all(len(part) > 0.5 * len(places) for part in values.values())
        if len(values) == most and enough and not any(stack.repeats for stack in stacks):
            return stacks
    repeated = [place for place in places if len(place) > 1]
    if len(repeated) > FEW_REPEATED * len(places) or slices[0].cine:
        return [Stack(slices)]
    latest = [max(place, key=lambda piece: piece.taken) for place in places]
    if any(
        [piece.taken for piece in place].count(last.taken) > 1
        for place, last in zip(places, latest, strict=True)
    ):
        return [Stack(slices)]  # nothing tells which is the later
    count = len(repeated)
    which = "1 slice was" if count == 1 else f"{count} slices were"
    return [Stack(latest, notes=(f"{which} acquired again, and the later image is taken.",))]


def _in_two_goes(stacks: list[Stack]) -> list[Stack]:
    """Put stacks together that continue each other but for a small turn or shift."""
    left = list(stacks)
    for one in stacks:
        for other in stacks:
            if one is other or one not in left or other not in left or len(one.slices) < len(other.slices):
                continue
            joined = _joined(one, other)
            if joined is not None:
                left[left.index(one)] = joined
                left.remove(other)
    return left


def _joined(one: Stack, other: Stack) -> Stack | None:
    """Return both as one stack on the grid of ``one``; None where they don't continue each other."""
    first, second = one.slices[0], other.slices[0]
    if (
        one.repeats
        or other.repeats
        or len(one.slices) < 2
        or (first.series != second.series and first.plain_name != second.plain_name)
        or one.apart != other.apart
        or not second.nearly_in_line_with(first)
        or not _at_other_heights(one.slices, other.slices)
    ):
        return None
    gap = float(np.median(np.diff(one.heights)))
    normal = first.normal
    pieces = sorted([*one.slices, *other.slices], key=lambda piece: float(piece.centre @ normal))
    gaps = np.diff([piece.centre @ normal for piece in pieces])
    if np.abs(gaps - gap).max() > TWO_GOES_GAP * gap:
        return None
    cosines = np.clip((first.axes * second.axes).sum(axis=1), -1, 1)
    turned = float(np.degrees(np.arccos(cosines)).max())
    shift = float(np.abs(first.axes @ (second.centre - first.centre)).max())
    note = (
        f"The stack was planned in two goes, {turned:.1f}° and {shift:.1f} mm apart: {len(other.slices)} "
        f"slices were resampled to the grid of the other {len(one.slices)}."
    )
    return Stack(pieces, one.apart, (*one.notes, *other.notes, note), first)
