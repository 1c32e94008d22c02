"""Studies as an nnU-Net v2 data set: images, labels, ``dataset.json`` and ``splits_final.json``."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from claimslicer import __version__
from claimslicer.errors import ModelError, OutputError, SpecificationError
from claimslicer.events import SILENT, Events
from claimslicer.json_files import read_json
from claimslicer.labels import Label, infarct_mask
from claimslicer.models.card import ModelCard, check_name
from claimslicer.models.leakage import leakage
from claimslicer.models.registry import resolve
from claimslicer.outputs import check_outside, folder_for, output_error
from claimslicer.studies import make_recipe, write_volume
from claimslicer.studies.write import MADE_WITH
from claimslicer.training.nnunet.folds import Case, Fold, make_folds
from claimslicer.training.nnunet.sources import Source, painted_by, read_sources

LABELS = {label.name.lower(): int(label) for label in Label if label is not Label.RIGHT_VENTRICLE}
"""Names and values in ``dataset.json``: the internal table's 0–4."""
CHANNEL = "LGE"
FILE_ENDING = ".nii.gz"


@dataclass(frozen=True)
class DatasetSettings:
    """Number and name of the data set (``Dataset501_CLAIM``), and how many folds; see :func:`make_folds`."""

    number: int = 501
    name: str = "CLAIM"
    folds: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= 999:
            raise SpecificationError(f"The data set's number must lie between 1 and 999, not {self.number}.")
        if not 1 <= self.folds <= 20:
            raise SpecificationError(f"The number of folds must lie between 1 and 20, not {self.folds}.")
        check_name(self.name)

    @property
    def folder(self) -> str:
        """The data set's name in nnU-Net's folders."""
        return f"Dataset{self.number:03d}_{self.name}"


def export_dataset(
    cases: Path,
    raw: Path,
    settings: DatasetSettings | None = None,
    *,
    synthetic: Path | None = None,
    events: Events = SILENT,
) -> Path:
    """Write the studies of ``cases`` as a data set into nnU-Net's folder ``raw``; return its folder.

    See :func:`read_sources` for ``cases`` and ``synthetic``. The volumes keep values and grid; the right
    ventricle becomes background. Synthetic studies that no fold trains on are left out. An older export of
    the same number and name is replaced when the new one is whole. Raises StudyError, OutputError.
    """
    settings = settings or DatasetSettings()
    check_outside(Path(raw), Path(cases))
    target = _free_place(Path(raw), settings)
    if target.exists():
        events.emit("replacing", message=f"the older export in {target}, when the new one is whole")
    with folder_for(target.parent), _replaced_whole(target) as folder:
        cases_written = [
            _write_case(folder, source, number)
            for number, source in enumerate(read_sources(cases, synthetic, events))
        ]
        folds = make_folds(cases_written, settings.folds)
        kept = _without_unused(folder, cases_written, folds, events)
        for sentence in _leaks(kept, folds):
            events.emit("leakage", message=sentence)
        _write_json(folder / "dataset.json", _description(settings, kept, folds))
        _write_json(folder / "splits_final.json", folds)
    return target


def _free_place(raw: Path, settings: DatasetSettings) -> Path:
    """Return where the data set goes. Raises OutputError where the number or the place is taken."""
    target = raw / settings.folder
    for other in raw.glob(f"Dataset{settings.number:03d}_*"):
        if other != target:
            raise OutputError(f"{other} has the number {settings.number} already: choose another with --id.")
    if target.exists() and not _is_ours(target):
        raise OutputError(f"{target} exists and is no export of this program: choose another --id or --name.")
    return target


def _is_ours(folder: Path) -> bool:
    try:
        return MADE_WITH in read_json(folder / "dataset.json")
    except (OSError, ValueError, TypeError):
        return False


@contextmanager
def _replaced_whole(target: Path) -> Iterator[Path]:
    """Give an empty folder beside ``target`` that takes its place when the block ends well."""
    fresh = target.with_name(f".{os.getpid()}-{target.name}")
    older = target.with_name(f".{os.getpid()}-old-{target.name}")
    try:
        fresh.mkdir()
        yield fresh
        if target.exists():
            target.rename(older)
        fresh.rename(target)
    except OSError as error:
        raise output_error(target, error) from error
    finally:
        if older.exists() and not target.exists():
            older.rename(target)
        for left in (fresh, older):
            shutil.rmtree(left, ignore_errors=True)


def _write_case(folder: Path, source: Source, number: int) -> Case:
    study, labels = source.study, source.study.labels
    assert labels is not None
    name = f"{source.patient}_synthetic_{number:04d}" if study.synthetic else source.patient
    marks: dict[str, Any] = {"synthetic": study.synthetic}
    if study.synthetic:
        marks["recipe"] = make_recipe("nnunet export", study, {"patient": source.patient})
    image = folder / "imagesTr" / f"{name}_0000{FILE_ENDING}"
    write_volume(image, study.image, study.geometry, encoding=study.encoding, **marks)
    inside = np.where(labels > max(LABELS.values()), Label.BACKGROUND, labels).astype(np.uint8)
    write_volume(folder / "labelsTr" / f"{name}{FILE_ENDING}", inside, study.geometry, **marks)
    painter = painted_by(study) if study.synthetic else None
    return Case(name, source.patient, source.part, study.synthetic, bool(infarct_mask(labels).any()), painter)


def _without_unused(folder: Path, cases: Sequence[Case], folds: Sequence[Fold], events: Events) -> list[Case]:
    """Remove synthetic cases that no fold trains on, and return the others."""
    trained_on = {name for fold in folds for name in fold["train"]}
    kept = [case for case in cases if not case.synthetic or case.name in trained_on]
    for case in cases:
        if case not in kept:
            events.emit("skipped", study=case.name, reason="made from a patient who is held back")
            for path in folder.glob(f"*/{case.name}*"):
                path.unlink()
    return kept


def _leaks(cases: Sequence[Case], folds: Sequence[Fold]) -> Iterator[str]:
    """Yield a sentence for each generator that learnt from patients held back where its studies are."""
    by_name = {case.name: case for case in cases}
    held_back: dict[tuple[str, str] | None, set[str]] = {}
    for fold in folds:
        patients = {by_name[name].patient for name in fold["val"]}
        children = (by_name[name] for name in fold["train"] if name in by_name and by_name[name].synthetic)
        for painter in {child.painted_by for child in children}:
            held_back.setdefault(painter, set()).update(patients)
    for painter, patients in held_back.items():
        card = None if painter is None else _card_of(*painter)
        if card is None:
            yield (
                "Which generator painted some of the synthetic studies isn't known, or it isn't here: if it "
                "was trained on patients whom a fold holds back, it leaks them into that fold's training."
            )
        elif said := leakage("generator", card, patients):
            yield f"{said} Its studies are in folds that hold these back: train a generator for each fold."


def _card_of(name: str, sha256: str) -> ModelCard | None:
    """Return the card of the generator with these weights, None where it isn't among the models here."""
    try:
        card = resolve(name, "synthesis").card
    except ModelError:
        return None
    return card if card.sha256 == sha256 else None


def _description(settings: DatasetSettings, cases: Iterable[Case], folds: Sequence[Fold]) -> dict[str, Any]:
    """Return ``dataset.json``; nnU-Net hands it on with the trained model, our part too."""
    cases = list(cases)
    count = sum(case.synthetic for case in cases)
    return {
        "name": settings.folder,
        "description": f"LGE stacks: {len(cases) - count} real and {count} synthetic studies; research only",
        "channel_names": {"0": CHANNEL},
        "labels": LABELS,
        "numTraining": len(cases),
        "file_ending": FILE_ENDING,
        # ITK refuses directions that are a rounding error away from orthonormal; the volumes keep theirs.
        "overwrite_image_reader_writer": "NibabelIO",
        MADE_WITH: {
            "version": __version__,
            "folds": list(folds),
            "patients": {case.name: case.patient for case in cases},
        },
    }


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
