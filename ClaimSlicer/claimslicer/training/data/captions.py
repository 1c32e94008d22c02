"""The captions of a cohort's scars, for a generator that is to know text."""

from __future__ import annotations

from pathlib import Path

from claimslicer.errors import StudyError
from claimslicer.events import SILENT, Events
from claimslicer.labels import infarct_mask, scar_of_labels
from claimslicer.training.data.cache import case_folders


def cohort_captions(root: Path, events: Events = SILENT) -> dict[str, str]:
    """Return the caption of every study with infarct under ``root``, by the name that the cache gives it.

    The published test cases stay unread, as in
    :func:`claimslicer.training.data.cache.read_case_folders`. Raises :class:`StudyError` for a study without
    labels, AnatomyError where a heart's turn can't be told.
    """
    from claimslicer.anatomy import build_frame
    from claimslicer.smile.caption import caption
    from claimslicer.studies import read_study

    folders = {folder: part for folder, part in case_folders(root).items() if part != "test"}
    captions = {}
    for number, folder in enumerate(folders):
        events.progress("captions", number / len(folders), folder.name)
        study = read_study(folder)
        if study.labels is None:
            raise StudyError(f"'{folder}' has no labels; a caption needs a label map.")
        if infarct_mask(study.labels).any():
            frame = build_frame(study.labels, study.geometry, image=study.image, apex_first=study.apex_first)
            captions[folder.name] = caption(scar_of_labels(study.labels), frame)
    events.progress("captions", 1.0, "done")
    return captions
