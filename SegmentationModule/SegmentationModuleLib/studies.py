"""Studies of a queue as nodes of the scene, and what of them goes back to disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import slicer
from claimslicer.errors import StudyError
from claimslicer.labels import infarct_mask, ventricle_mask
from claimslicer.review import Review, ReviewQueue, ReviewState, StudyRecord
from claimslicer.studies import Study
from claimslicer.studies.provenance import sha256_of_array
from claimslicer.worker.messages import study_from, study_values
from ClaimSlicerLib.heart_views import show_heart
from ClaimSlicerLib.made import MADE_ATTRIBUTE, VOLUME_ROLE, mark_made
from ClaimSlicerLib.mrml import add_segmentation, add_volume, volume_study
from ClaimSlicerLib.overlays import outline
from ClaimSlicerLib.rule import SliceOrder
from ClaimSlicerLib.segments import LABEL_STYLES
from ClaimSlicerLib.views import show_study
from slicer.i18n import tr as _

from SegmentationModuleLib.result import add_labels, add_uncertainty
from SegmentationModuleLib.review import read_review, write_review

KEY = "ClaimSlicer.Study"
QUEUE = "ClaimSlicer.Queue"
STORED = "ClaimSlicer.StoredContent"
"""On the labels of a queue's study: the hash of what their file holds."""


def key_of(node: slicer.vtkMRMLNode, queue: ReviewQueue) -> str:
    """Return the study of ``queue`` that ``node`` belongs to, "" where it is of none."""
    key = node.GetAttribute(KEY) or ""
    known = node.GetAttribute(QUEUE) == str(queue.output)
    return key if known and any(record.key == key for record in queue.records) else ""


def replace_study(parameters, queue: ReviewQueue, key: str, result: dict) -> None:
    """Put a study that was read into the scene in place of the queue's one before, and choose it."""
    study = study_from(result["study"])
    former = [
        n for n in slicer.util.getNodesByClass("vtkMRMLNode") if n.GetAttribute(QUEUE) and n.GetAttribute(KEY)
    ]
    volume = add_volume(study.image, study.geometry, study.name, synthetic=study.synthetic)
    mark_made(volume, "study", volume)
    made, labels, reference = [volume], None, None
    if result["labels"] is not None:
        labels = add_labels(result["labels"], volume, queue[key].review)
        labels.SetAttribute(STORED, sha256_of_array(result["labels"]))
        made.append(labels)
        if result["uncertainty"] is not None:
            made.append(add_uncertainty(result["uncertainty"], volume, labels))
    if study.labels is not None:
        name = _("{name} labels beside the study").format(name=study.name)
        reference = add_segmentation(study.labels, volume, name, LABEL_STYLES)
        outline(reference)
        mark_made(reference, "study labels", volume)
        made.append(reference)
    for node in made:
        node.SetAttribute(KEY, key)
        node.SetAttribute(QUEUE, str(queue.output))
    _choose(parameters, volume, labels or reference, reference if labels else None, study.apex_first)
    for node in former:
        slicer.mrmlScene.RemoveNode(node)
    show_study(volume)
    if labels is not None:
        scar = infarct_mask(result["labels"])
        show_heart(volume, ventricle_mask(result["labels"]), scar=scar)


def _choose(parameters, volume, labels, reference, apex_first: bool | None) -> None:
    parameters.volume = volume
    parameters.labels = labels
    parameters.reference = reference
    parameters.insertions = None
    parameters.order = SliceOrder(apex_first)


def _study(labels: slicer.vtkMRMLNode) -> Study:
    """Return ``labels`` on the volume that they were read with, whichever is chosen now."""
    volume = labels.GetNodeReference(VOLUME_ROLE)
    if volume is None:
        raise StudyError(
            _("The volume of {name} was removed from the scene: open the study again.").format(
                name=labels.GetName()
            )
        )
    return volume_study(volume, labels)


def is_changed(labels: slicer.vtkMRMLNode, queue: ReviewQueue) -> bool:
    """Say whether labels or their review differ from what is on disk. Raises StudyError."""
    if labels.GetAttribute(MADE_ATTRIBUTE) == "study labels":
        return False
    content = sha256_of_array(_study(labels).labels)
    known = queue[key_of(labels, queue)].review
    return content != labels.GetAttribute(STORED) or read_review(labels) != known


def to_store(labels: slicer.vtkMRMLNode, queue: ReviewQueue) -> tuple[dict | None, StudyRecord]:
    """Return the arguments of the task ``write_labels``, None where the file is up to date, and the record.

    Changed labels that nobody has decided about count as corrected. Raises StudyError.
    """
    key = key_of(labels, queue)
    study = _study(labels)
    content, review = sha256_of_array(study.labels), read_review(labels)
    if review.state_of(content) != review.state:
        review = review.decided(ReviewState.CORRECTED, content)
        write_review(labels, review)
    record = replace(queue[key], review=review)
    if content == labels.GetAttribute(STORED):
        return None, record
    arguments = {
        "study": study_values(replace(study, source=queue.path(key))),
        "file": str(queue.result_file(key, "labels")),
        "command": "correct",
        "settings": {"state": str(review.state), "remark": review.remark},
    }
    return arguments, record


def stored(labels: slicer.vtkMRMLNode, queue: ReviewQueue, record: StudyRecord, result: dict) -> StudyRecord:
    """Note that the labels are on disk, and return the record with their numbers.

    They are a person's now: what was doubtful about the network's no longer holds.
    """
    if labels.GetScene() is not None:
        labels.SetAttribute(STORED, result["content"])
    return replace(record, **_numbers(queue, result), warning="")


def segmented(queue: ReviewQueue, record: StudyRecord, result: dict) -> StudyRecord:
    """Return the record of a study that was just segmented."""
    return replace(
        record,
        **_numbers(queue, result),
        uncertainty=_relative(queue, result["uncertainty"]),
        model=result["model"],
        problem="",
        warning=result["warning"],
        review=Review(content=result["content"]),
    )


def _numbers(queue: ReviewQueue, result: dict) -> dict:
    names = ("myocardium_g", "infarct_ml")
    return {"labels": _relative(queue, result["labels"]), **{name: result[name] for name in names}}


def _relative(queue: ReviewQueue, file: str) -> str:
    return Path(file).relative_to(queue.output).as_posix()
