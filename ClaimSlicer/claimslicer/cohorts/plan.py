"""Which studies a cohort will have: hearts, how many of each, and their names."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from claimslicer.cohorts.config import CohortConfig, Infarcted, Source
from claimslicer.errors import SpecificationError, StudyError
from claimslicer.labels import infarct_mask
from claimslicer.studies import read_study
from claimslicer.studies.read import find_case
from claimslicer.studies.synthetic import is_marked_beside
from claimslicer.training.data.cache import case_folders
from claimslicer.training.data.splits import Part


@dataclass(frozen=True)
class Parent:
    """A labelled heart that synthetic studies are made of; ``draws`` how many, where no total is asked."""

    name: str
    folder: Path
    part: Part
    infarcted: Infarcted
    draws: int

    @property
    def key(self) -> int:
        """A number that depends on the name alone, so that a source more or less changes no other's draws."""
        return int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], "big")


@dataclass(frozen=True)
class Job:
    """The synthetic study ``number`` of ``parent``."""

    parent: Parent
    number: int

    @property
    def name(self) -> str:
        """The name of its case folder, which says that it is synthetic."""
        return f"{self.parent.name}-synthetic-{self.number:05d}"


def find_parents(config: CohortConfig) -> tuple[list[Parent], int]:
    """Return the hearts of all sources that take part, and how many belong to other parts of the split.

    Images are not read unless a source skips infarcts. Raises StudyError for a source without cases or a case
    without labels, SpecificationError where two sources have a case of the same name, or no heart is left.
    """
    cases = [(source, *case) for source in config.sources for case in case_folders(source.folder).items()]
    taken = [case for case in cases if case[2] in case[0].parts]
    parents = [parent for case in taken if (parent := _parent_of(*case)) is not None]
    if not parents:
        raise SpecificationError(
            "No heart is left in the sources: take other 'parts', or don't skip infarcts."
        )
    name, times = Counter(parent.name for parent in parents).most_common(1)[0]
    if times > 1:
        raise SpecificationError(f"Several sources have a case {name}: give each a 'prefix' of its own.")
    return parents, len(cases) - len(taken)


def plan(config: CohortConfig, parents: list[Parent]) -> list[Job]:
    """Return every study of the cohort, those of one heart together."""
    if config.count is None:
        counts = [parent.draws for parent in parents]
    else:
        each, more = divmod(config.count, len(parents))
        counts = [each + (index < more) for index in range(len(parents))]
    return [
        Job(parent, number) for parent, count in zip(parents, counts, strict=True) for number in range(count)
    ]


def validation_folders(sources: Iterable[Source]) -> Iterator[Path]:
    """Yield the sources' case folders of validation patients."""
    for source in sources:
        yield from (folder for folder, part in case_folders(source.folder).items() if part == "validation")


def _parent_of(source: Source, folder: Path, part: Part) -> Parent | None:
    """Return a heart of ``source`` as a parent, None for one that is skipped. Raises StudyError."""
    case = find_case(folder)
    if case is None or case.labels is None:
        raise StudyError(f"'{folder}' has no labels; label it, or move it out of the source.")
    if is_marked_beside(case.image):
        raise StudyError(
            f"'{folder}' is synthetic and would count as a real parent: move it out of the source; a "
            "cohort's children are made of real hearts."
        )
    if source.infarcted == "skip" and _has_infarct(folder):
        return None
    return Parent(source.prefix + folder.name, folder, part, source.infarcted, source.draws)


def _has_infarct(folder: Path) -> bool:
    labels = read_study(folder).labels
    return labels is not None and bool(infarct_mask(labels).any())
