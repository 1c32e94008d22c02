"""Which stack of a DICOM folder is the late-enhancement short axis."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from claimslicer.errors import StudyError
from claimslicer.studies.readers.dicom_slices import Stack

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
KINDS = ("PSIR", "magnitude", "phase", "unknown")
"""What an image may show, as :func:`~claimslicer.studies.readers.dicom_slices.kind_of` tells."""


@dataclass(frozen=True)
class Choice:
    """What the user asks for among several stacks; None leaves it to the rules.

    ``series`` is a series' number or UID, ``kind`` one of :data:`KINDS`, ``acquisition`` the number that
    tells two acquisitions of one series apart.
    """

    series: str | None = None
    kind: str | None = None
    acquisition: str | None = None

    def __bool__(self) -> bool:
        return any((self.series, self.kind, self.acquisition))

    def __str__(self) -> str:
        asked = (("series", self.series), ("kind", self.kind), ("acquisition", self.acquisition))
        return ", ".join(f"{name} {value}" for name, value in asked if value)

    def fits(self, stack: Stack) -> bool:
        """Say whether ``stack`` is one of those asked for."""
        series = {piece.series for piece in stack.slices} | {str(n) for n in stack.series_numbers}
        acquisitions = {piece.traits.get("acquisition", "") for piece in stack.slices}
        return (
            (self.series is None or self.series in series)
            and (self.kind is None or self.kind.casefold() == stack.slices[0].kind.casefold())
            and (self.acquisition is None or acquisitions == {self.acquisition})
        )


NO_CHOICE = Choice()


def choose(
    stacks: list[Stack], folder: Path, wanted: Path | None = None, choice: Choice = NO_CHOICE
) -> tuple[Stack, str]:
    """Return the late-enhancement short-axis stack and the reason for it.

    ``wanted`` is a file of the stack that the user asks for, ``choice`` says what else they ask.
    StudyError, listing the stacks, where none or more than one may be meant.
    """
    if wanted is not None:
        return _of_file(stacks, wanted)
    left = [stack for stack in stacks if len(stack.slices) >= FEWEST_SLICES and not stack.repeats]
    if choice:
        left = [stack for stack in left if choice.fits(stack)]
        if not left:
            raise StudyError(f"{folder} holds no stack of {choice}; {listed(stacks)}.")
    else:
        left = [stack for stack in left if not is_another(stack)]
    if not left:
        raise StudyError(f"{folder} holds no late-enhancement short-axis stack; {listed(stacks)}.")
    left, reasons = _preferred(left)
    patients = {piece.patient for stack in left for piece in stack.slices}
    if len(patients) > 1:
        raise StudyError(
            f"{folder} holds images of {len(patients)} patients: {'; '.join(map(str, left))}; "
            "give the folder of one of them, or say which with --series."
        )
    if len(left) > 1:
        raise StudyError(
            f"{folder} holds {len(left)} stacks that may be meant: {'; '.join(map(str, left))}; "
            "give one file of the right one in place of the folder, or choose with --series, --kind or "
            "--acquisition."
        )
    reasons += [f"asked for by {choice}"] if choice else []
    says = "" if _LGE.search(left[0].words) else "; nothing in it says late enhancement"
    return left[0], (", ".join(reasons) or "the only stack") + says


def is_another(stack: Stack) -> bool:
    """Say whether ``stack`` shows something else than late enhancement across the ventricle."""
    first = stack.slices[0]
    moving = first.cine and not _LGE.search(stack.words)
    return first.kind == "phase" or moving or bool(_ANOTHER.search(stack.words))


def listed(stacks: list[Stack]) -> str:
    """Return what a folder has, in words."""
    shown = "; ".join(map(str, stacks[:8])) + ("; …" if len(stacks) > 8 else "")
    return f"it has {shown}"


def _of_file(stacks: list[Stack], wanted: Path) -> tuple[Stack, str]:
    stack = next((stack for stack in stacks if any(piece.path == wanted for piece in stack.slices)), None)
    if stack is None or stack.repeats:
        raise StudyError(f"{wanted} belongs to no stack of single slices; {listed(stacks)}.")
    return stack, f"asked for by {wanted.name}"


def _preferred(left: list[Stack]) -> tuple[list[Stack], list[str]]:
    reasons = []
    for reason, keep in _PREFERENCES:
        kept = [stack for stack in left if keep(stack)]
        if kept and len(kept) < len(left):
            left = kept
            reasons.append(reason)
    if len(left) > 1 and {stack.slices[0].kind for stack in left} == {"PSIR", "magnitude"}:
        left = [stack for stack in left if stack.slices[0].kind == "PSIR"]
        reasons.append("PSIR rather than magnitude")
    return left, reasons


_PREFERENCES: tuple[tuple[str, Callable[[Stack], bool]], ...] = (
    ("described as late enhancement", lambda stack: bool(_LGE.search(stack.words))),
    ("described as short axis", lambda stack: bool(_SHORT_AXIS.search(stack.words))),
)
