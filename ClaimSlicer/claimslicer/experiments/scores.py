"""How well a segmenter, or a threshold, does on one patient; one line each in a file that only grows."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from claimslicer.anatomy import LVFrame, build_frame
from claimslicer.errors import AnatomyError, StudyError
from claimslicer.experiments.patients import Patient
from claimslicer.json_files import parse_json
from claimslicer.labels import Label, infarct_mask, myocardium_mask
from claimslicer.outputs import output_error, write_text
from claimslicer.quantification import compare, fwhm, n_sd, otsu, remote_region

SCORES_FILE = "scores.jsonl"
SEGMENTS = 17
THRESHOLDS = ("2 SD", "3 SD", "5 SD", "FWHM", "Otsu")
"""The floor, on a wall that is known."""
Regions = Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True)
class Score:
    """One patient's result.

    ``test`` is the test set, ``arm`` the row's name, ``model`` the hash of the weights (empty for thresholds)
    and ``digest`` that of the study. ``regions`` are those of :func:`claimslicer.quantification.compare`, by
    name. ``segments_ml`` is the infarct, MVO included, in AHA segments 1 to 17, found and true, both in the
    frame of the true labels; None where that can't be laid. ``no_heart`` says that no left ventricle was
    found, which counts as nothing found.
    """

    test: str
    arm: str
    seed: int
    fold: str
    patient: str
    digest: str
    model: str
    has_infarct: bool
    no_heart: bool
    regions: Regions
    segments_ml: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    @property
    def key(self) -> tuple[str, str, int, str, str]:
        """What tells it from any other; a newer one of the same key takes its place."""
        return self.test, self.arm, self.seed, self.fold, self.patient

    def row(self) -> dict[str, str | float | int | None]:
        """Return it as one flat row."""
        values = asdict(self)
        regions, segments = values.pop("regions"), values.pop("segments_ml")
        for region, numbers in regions.items():
            values |= {f"{region}_{name}": value for name, value in numbers.items()}
        for number in range(SEGMENTS):
            for which, place in (("found", 0), ("true", 1)):
                values[f"infarct_ml_{number + 1}_{which}"] = segments[place][number] if segments else None
        return values


class ScoreBook:
    """All scores of an experiment; a line that a killed process left unfinished is not counted."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / SCORES_FILE
        self._scores: dict[tuple[str, str, int, str, str], Score] = {}
        text = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
        self._torn = bool(text) and not text.endswith("\n")
        for line in text.splitlines():
            if (score := _score_of(line)) is not None:
                self._scores[score.key] = score

    def holds(self, patient: Patient, *, test: str, arm: str, seed: int, fold: str, model: str) -> bool:
        """Say whether the score of that model on the patient's study, as it is now, is there."""
        score = self._scores.get((test, arm, seed, fold, patient.name))
        return score is not None and (score.digest, score.model) == (patient.digest, model)

    def __iter__(self) -> Iterator[Score]:
        """Yield all scores."""
        return iter(self._scores.values())

    def add(self, score: Score) -> None:
        """Keep a score, on disk before this returns. Raises OutputError."""
        line = json.dumps(asdict(score), allow_nan=False) + "\n"
        try:
            with self._path.open("a", encoding="utf-8", newline="\n") as stream:
                stream.write("\n" * self._torn + line)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise output_error(self._path, error) from error
        self._torn = False
        self._scores[score.key] = score


def _score_of(line: str) -> Score | None:
    try:
        values = parse_json(line)
        segments = values.pop("segments_ml")
        found = None if segments is None else (tuple(segments[0]), tuple(segments[1]))
        return Score(**values, segments_ml=found)
    except (ValueError, KeyError, TypeError):
        return None


class TestHeart:
    """A patient's study, read and laid out once for all that it is scored on.

    ``thresholds`` are the labels ``(z, y, x)`` of each threshold, none where the frame can't be laid. Their
    remote region is found in the image, not taken from the labels; Otsu's method, which always finds two
    classes, is left out in hearts without infarct.
    """

    def __init__(self, patient: Patient) -> None:
        self.patient = patient
        self.study = patient.read()
        assert self.study.labels is not None
        self.labels = self.study.labels
        self.thresholds: dict[str, np.ndarray] = {}
        self._segments: np.ndarray | None = None
        try:
            frame = build_frame(
                self.labels,
                self.study.geometry,
                image=self.study.image,
                apex_first=self.study.apex_first,
            )
            self._segments = _nearest_segments(frame)
            self.thresholds = {name: self._labelled(mask) for name, mask in self._found_by(frame).items()}
        except AnatomyError:
            return

    def _found_by(self, frame: LVFrame) -> dict[str, np.ndarray]:
        image, wall = self.study.image, frame.myocardium
        remote = remote_region(image, frame)
        masks = {f"{n} SD": n_sd(image, wall, remote, n).mask for n in (2, 3, 5)}
        masks["FWHM"] = fwhm(image, wall, remote, baseline=float(image[remote].mean())).mask
        return masks | ({"Otsu": otsu(image, wall).mask} if self.patient.has_infarct else {})

    def segmented(self, weights: Path, device: str) -> np.ndarray | None:
        """Return the labels that a segmenter gives the image alone, None where it finds no left ventricle."""
        from claimslicer.segmentation import segment

        try:
            return segment(self.study, model=weights, device=device).labels
        except StudyError:
            return None

    def score(
        self, found: np.ndarray | None, *, test: str, arm: str, seed: int, fold: str, model: str
    ) -> Score:
        """Compare ``found`` with the labels."""
        labels = np.zeros_like(self.labels) if found is None else found
        rows = compare(labels, self.labels, self.study.geometry).rows()
        patient = self.patient
        return Score(
            test=test,
            arm=arm,
            seed=seed,
            fold=fold,
            patient=patient.name,
            digest=patient.digest,
            model=model,
            has_infarct=patient.has_infarct,
            no_heart=found is None,
            regions={str(row.pop("region")): row for row in rows},  # type: ignore[misc]
            segments_ml=None
            if self._segments is None
            else (self._by_segment(labels), self._by_segment(self.labels)),
        )

    def _by_segment(self, labels: np.ndarray) -> tuple[float, ...]:
        assert self._segments is not None
        counts = np.bincount(self._segments[infarct_mask(labels)], minlength=SEGMENTS + 1)[1:]
        return tuple((counts * self.study.geometry.voxel_volume_ml).tolist())

    def _labelled(self, infarct: np.ndarray) -> np.ndarray:
        wall = myocardium_mask(self.labels)
        return np.where(wall, np.where(infarct, Label.INFARCT, Label.MYOCARDIUM), self.labels).astype(
            np.uint8
        )


def _nearest_segments(frame: LVFrame) -> np.ndarray:
    """Return the AHA segment (uint8) nearest to each voxel."""
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(
        frame.segments == 0,
        sampling=frame.geometry.spacing_zyx,
        return_distances=False,
        return_indices=True,
    )
    return frame.segments[tuple(nearest)].astype(np.uint8)


def write_scores(path: Path, scores: Iterable[Score]) -> None:
    """Write all scores as CSV, one line each. Raises OutputError."""
    rows = [score.row() for score in sorted(scores, key=lambda score: score.key)]
    text = io.StringIO()
    table = csv.DictWriter(
        text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n"
    )
    table.writeheader()
    table.writerows(rows)
    write_text(path, text.getvalue())
