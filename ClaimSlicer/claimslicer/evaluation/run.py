"""An evaluation: every scar painted, measured and segmented once, kept, and not computed again."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from claimslicer.anatomy import LVFrame, build_frame
from claimslicer.errors import AnatomyError, SpecificationError, StudyError
from claimslicer.evaluation.config import EvaluationConfig
from claimslicer.evaluation.controls import blurred_noise, constant_fill
from claimslicer.evaluation.measures import measure_scar
from claimslicer.evaluation.novelty import nearest_distance, scar_patches, with_symmetries
from claimslicer.evaluation.placement import survival
from claimslicer.evaluation.record import ScarRecord, read_record, record_path, write_record
from claimslicer.events import SILENT, Events
from claimslicer.json_files import read_json
from claimslicer.labels import (
    Label,
    ScarLabel,
    infarct_mask,
    labels_with_scar,
    scar_of_labels,
)
from claimslicer.models.leakage import leakage
from claimslicer.models.registry import resolve
from claimslicer.outputs import check_outside, make_folder, write_text
from claimslicer.smile import ScarMask, generate_scar, random_spec
from claimslicer.studies import Study, read_study
from claimslicer.studies.provenance import sha256_of_array

if TYPE_CHECKING:
    from torch import nn

SETTINGS_FILE = "settings.json"
FEWEST_PATIENTS = 4
"""Two halves of fewer real patients are no null."""


@dataclass(frozen=True)
class Scar:
    """A scar in an image, to be measured; ``scar`` holds :class:`ScarLabel`, all arrays are (z, y, x)."""

    image: np.ndarray
    scar: np.ndarray
    seconds: float = 0.0
    evaluations: int = 0


@dataclass(frozen=True)
class Heart:
    """A labelled study to evaluate on."""

    study: Study
    labels: np.ndarray

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Height and width of a pixel."""
        return self.study.geometry.spacing_zyx[1:]

    @cached_property
    def frame(self) -> LVFrame:
        """The ventricular frame. Raises AnatomyError."""
        return build_frame(
            self.labels,
            self.study.geometry,
            image=self.study.image,
            apex_first=self.study.apex_first,
        )

    def authored(self, draw: int) -> ScarMask:
        """Return the random SMILE scar number ``draw``, the same in every evaluation."""
        digest = int(sha256_of_array(self.labels)[:8], 16)
        return generate_scar(random_spec(self.frame, np.random.default_rng([digest, draw])), self.frame)


def evaluate(config: EvaluationConfig, events: Events = SILENT) -> list[ScarRecord]:
    """Compute what is missing of an evaluation in ``config.out`` and return its records, case by case.

    Stopped, it goes on where it was. A heart whose RV insertions can't be found gets no authored scar, and
    an event says so; another, ``judge``, says whether the segmenter is independent. Raises SpecificationError
    where the folder holds an evaluation with other settings or weights, or too few patients have scars;
    StudyError and ModelError where data or weights can't be used.
    """
    from claimslicer.segmentation.model import judged_by, load_segmenter
    from claimslicer.synthesis.model import load_generator

    for place in [config.data] if isinstance(config.data, Path) else config.data:
        check_outside(config.out, place)
    cases = [_case_of(folder) for folder in config.case_folders()]
    jobs = _jobs(config, cases)
    weights = {
        "model": load_generator(config.model, config.device).weights,
        "segmenter": load_segmenter(config.segmenter, config.device, judge=True).weights,
    }
    _claim_folder(config, weights, cases)
    events.emit("judge", message=judged_by(config.segmenter))
    names = [case.folder.name for case in cases]
    for role, model, kind in (
        ("generator", config.model, "synthesis"),
        ("judge", config.segmenter, "segmentation"),
    ):
        if said := leakage(role, resolve(model, kind).card, names):  # type: ignore[arg-type]
            events.emit("leakage", message=said)
    missing = [job for job in jobs if not job.path(config.out).exists()]
    training = _training_scars(config) if missing else np.empty((0, 0), np.float32)
    for number, (case, own) in enumerate(groupby(missing, lambda job: job.case)):
        heart = _read_heart(case.folder)
        for job in own:
            events.progress("evaluating", number / len(cases), f"{case.folder.name}, {job.kind}")
            try:
                scar = _make(config, heart, job.kind, job.draw)
            except AnatomyError as error:
                events.emit("skipped", study=case.folder.name, reason=str(error))
                continue
            write_record(config.out, _measured(config, heart, job, scar, training))
    events.progress("evaluating", 1.0, "done")
    return [read_record(job.path(config.out)) for job in jobs if job.path(config.out).exists()]


@dataclass(frozen=True)
class Case:
    """What must be known of a study to plan with it: whether it has scar (label 3), or no infarct at all.

    ``hashes`` are those of its image and labels.
    """

    folder: Path
    has_scar: bool
    has_no_infarct: bool
    hashes: tuple[str, str]


@dataclass(frozen=True)
class Job:
    """One scar to evaluate."""

    case: Case
    kind: str
    draw: int

    def path(self, out: Path) -> Path:
        """Return the file of its record."""
        return record_path(out, self.kind, self.case.folder.name, self.draw)


def _case_of(folder: Path) -> Case:
    heart = _read_heart(folder)
    hashes = sha256_of_array(heart.study.image), sha256_of_array(heart.labels)
    return Case(
        folder, bool((heart.labels == Label.INFARCT).any()), not infarct_mask(heart.labels).any(), hashes
    )


def _read_heart(folder: Path) -> Heart:
    study = read_study(folder)
    if study.labels is None:
        raise StudyError(f"'{folder}' has no labels; an evaluation needs a label map for every study.")
    if study.synthetic:
        raise StudyError(
            f"'{folder}' is synthetic and would count as a real patient: an evaluation takes real studies "
            "alone, and paints its own scars."
        )
    return Heart(dataclasses.replace(study, name=folder.name), study.labels)


def _jobs(config: EvaluationConfig, cases: list[Case]) -> list[Job]:
    """Return every scar to evaluate, case by case."""
    scarred = [case for case in cases if case.has_scar]
    free = [case for case in cases if case.has_no_infarct]
    if len(scarred) < FEWEST_PATIENTS:
        raise SpecificationError(
            f"An evaluation needs {FEWEST_PATIENTS} patients with scar; the cases chosen hold {len(scarred)}."
        )
    on = {"authored": (free, config.draws), "copy": (free, 1), "repainted": (scarred, config.seeds)}
    jobs = []
    for kind in ("real", *config.kinds):
        chosen, count = on.get(kind, (scarred, 1))
        if not chosen:
            raise SpecificationError(
                f"The kind '{kind}' needs cases without scar: choose some, or leave it out of 'kinds'."
            )
        jobs += [Job(case, kind, draw) for case in chosen for draw in range(count)]
    return sorted(jobs, key=lambda job: job.case.folder.name)


def _claim_folder(config: EvaluationConfig, weights: dict[str, Any], cases: list[Case]) -> None:
    """Write down what the folder's results are made from; refuse it where that was something else."""
    path = make_folder(config.out) / SETTINGS_FILE
    studies = {case.folder.name: case.hashes for case in cases}
    now = json.loads(
        json.dumps({"settings": config.to_dict(), "weights": weights, "also": {"studies": studies}})
    )
    if not path.exists():
        write_text(path, json.dumps(now, indent=2, ensure_ascii=False))
        return
    try:
        before = read_json(path)
        old = before["settings"] | before["weights"] | before["also"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpecificationError(f"'{path}' is damaged: choose another folder as 'out'.") from error
    new = now["settings"] | now["weights"] | now["also"]
    other = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if other:
        raise SpecificationError(
            f"'{config.out}' holds an evaluation with another {', '.join(other)}: choose another folder as "
            "'out', or set that back."
        )


def _training_scars(config: EvaluationConfig) -> np.ndarray:
    """Return the training scars as :func:`nearest_distance` takes them."""
    patches = []
    for folder in config.training_folders():
        heart = _read_heart(folder)
        if infarct_mask(heart.labels).any():
            patches.append(scar_patches(heart.study.image, heart.labels, heart.pixel_mm))
    return with_symmetries(patches)


def _make(config: EvaluationConfig, heart: Heart, kind: str, draw: int) -> Scar:
    """Return the scar of this kind in this heart. Raises AnatomyError where a mask can't be placed."""
    image = heart.study.image
    if kind in ("authored", "copy"):
        mask = heart.authored(draw)
        if kind == "copy":
            return Scar(image, mask.labels)
        return _painted(config, heart, mask.labels, draw)
    own = scar_of_labels(heart.labels)
    if kind in ("repainted", "inside"):
        return _painted(_for_kind(config, kind), heart, own, draw)
    inside = own != ScarLabel.NONE
    if kind == "constant":
        return Scar(constant_fill(image, inside), own)
    if kind == "noise":
        return Scar(blurred_noise(image, inside, heart.pixel_mm, np.random.default_rng(draw)), own)
    return Scar(image, own)


def _for_kind(config: EvaluationConfig, kind: str) -> EvaluationConfig:
    """Return the settings that scars of this kind are painted with."""
    return dataclasses.replace(config, band_mm=0.0) if kind == "inside" else config


def _painted(config: EvaluationConfig, heart: Heart, scar: np.ndarray, seed: int) -> Scar:
    from claimslicer.synthesis import synthesize
    from claimslicer.synthesis.model import load_generator

    names = ("jumps", "guidance", "texture", "band_mm")
    options = {name: getattr(config, name) for name in names if getattr(config, name) is not None}
    with counted_calls(load_generator(config.model, config.device).network.denoise) as calls:
        start = time.perf_counter()
        result = synthesize(
            heart.study,
            heart.labels,
            scar,
            model=config.model,
            sampler=config.sampler,  # type: ignore[arg-type]
            num_inference_steps=config.steps,
            seed=seed,
            repaint_existing=True,
            device=config.device,
            **options,
        )
        seconds = time.perf_counter() - start
    return Scar(result.image, scar, seconds, len(calls))


@contextmanager
def counted_calls(network: nn.Module) -> Iterator[list[None]]:
    """Give a list that grows by one at every call of ``network``."""
    calls: list[None] = []
    handle = network.register_forward_hook(lambda *_: calls.append(None))
    try:
        yield calls
    finally:
        handle.remove()


def _measured(
    config: EvaluationConfig, heart: Heart, job: Job, made: Scar, training: np.ndarray
) -> ScarRecord:
    """Measure and segment one scar."""
    labels = labels_with_scar(heart.labels, made.scar)
    measures, quantiles = measure_scar(made.image, labels, heart.pixel_mm)
    found, no_heart = _segmented(config, heart, made.image)
    asked_mask, found_mask = infarct_mask(labels), infarct_mask(found)
    overlap = 2.0 * float((asked_mask & found_mask).sum()) / float(asked_mask.sum() + found_mask.sum())
    ml = heart.study.geometry.voxel_volume_ml
    changed = np.flatnonzero(made.image != heart.study.image)
    allowed = _may_change(_for_kind(config, job.kind), heart, made.scar)
    try:
        placed = survival(labels, found, heart.frame)
    except AnatomyError:
        placed = None  # the insertions of a study may be out of sight; its other measures count
    return ScarRecord(
        job.kind,
        heart.study.name,
        job.draw,
        measures,
        dice=overlap,
        asked_ml=float(asked_mask.sum() * ml),
        found_ml=float(found_mask.sum() * ml),
        no_heart=no_heart,
        nearest=nearest_distance(scar_patches(made.image, labels, heart.pixel_mm), training),
        seconds=made.seconds,
        evaluations=made.evaluations,
        changed_outside=int((~allowed).flat[changed].sum()),
        survival=placed,
        quantiles=quantiles,
        inside=_units_inside(made.image, labels),
        scar=made.scar.astype(np.uint8),
        changed_at=changed,
        changed_to=made.image.flat[changed],
    )


def _segmented(config: EvaluationConfig, heart: Heart, image: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the segmenter's labels of ``image``, and whether it found no left ventricle at all."""
    from claimslicer.segmentation import segment

    study = dataclasses.replace(heart.study, image=image, labels=None)
    try:
        found = segment(study, model=config.segmenter, device=config.device, judge=True)
        return found.labels, False
    except StudyError:
        return np.zeros_like(heart.labels), True


def _may_change(config: EvaluationConfig, heart: Heart, scar: np.ndarray) -> np.ndarray:
    """Return where the image may change: the mask and the band round it."""
    from claimslicer.synthesis.band import band_mask
    from claimslicer.synthesis.settings import BAND_MM

    width = BAND_MM if config.band_mm is None else config.band_mm
    spacing = heart.study.geometry.spacing
    return (scar != ScarLabel.NONE) | band_mask(scar, (spacing[1], spacing[0]), width)


def _units_inside(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    from claimslicer.synthesis.normalisation import remote_scale

    return remote_scale(image, labels).forward(image)[labels == Label.INFARCT]
