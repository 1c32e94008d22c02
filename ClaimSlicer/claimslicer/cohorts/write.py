"""A synthetic study as a case folder: whole or not there, marked, with its recipe."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

from claimslicer import __version__
from claimslicer.cohorts.make import Child, Heart
from claimslicer.cohorts.plan import Job
from claimslicer.outputs import output_error
from claimslicer.studies.provenance import to_json
from claimslicer.studies.study import FIRST_SLICE
from claimslicer.studies.synthetic import HEADER_TEXT
from claimslicer.studies.write import MADE_WITH, write_volume
from claimslicer.training.data.cache import RECIPE_FILE

UNFINISHED = ".unfinished"
"""Folder beside the cases where they are written; a cohort that begins empties it."""


def write_case(out: Path, job: Job, heart: Heart, child: Child, suffix: str) -> Path:
    """Write ``out/<name>`` in EMIDEC's layout and return it; one that is there already stays.

    ``Images`` holds the image, ``Contours`` the labels with the scar, ``Scar`` the mask that was painted and
    all that was painted with it (``-band``). Raises OutputError, and leaves nothing behind, where that can't
    be done.
    """
    whole = out / job.name
    folder = out / UNFINISHED / f"{job.name}-{uuid.uuid4().hex[:8]}"
    volumes: dict[str, tuple[Any, Any]] = {
        f"Images/{job.name}": (child.image, heart.study.encoding),
        f"Contours/{job.name}": (child.labels, None),
        f"Scar/{job.name}": (child.scar, None),
        f"Scar/{job.name}-band": (child.band, None),
    }
    marks: dict[str, Any] = {"recipe": child.recipe, "synthetic": True}
    try:
        for name, (array, encoding) in volumes.items():
            path = folder / f"{name}{suffix}"
            write_volume(path, array, heart.study.geometry, encoding=encoding, **marks)
        _write_texts(folder, job, heart, child)
        if not whole.is_dir():
            folder.rename(whole)
    except OSError as error:
        if not whole.is_dir():  # else another worker was given the same study, and was first
            raise output_error(whole, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return whole


def _write_texts(folder: Path, job: Job, heart: Heart, child: Child) -> None:
    record = {MADE_WITH: __version__, "synthetic": True, "notice": HEADER_TEXT, **to_json(child.recipe)}
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    (folder / RECIPE_FILE).write_text(text, encoding="utf-8", newline="\n")
    # EMIDEC's own cases begin at the apex; where a parent doesn't, its child has to say so.
    first = "apex" if heart.frame.apex_first else "base"
    lines = f"{FIRST_SLICE} : {first}\nparent : {job.parent.name}\nnotice : {HEADER_TEXT}\n"
    (folder / f"{job.name}.txt").write_text(lines, encoding="cp1252", errors="replace", newline="\n")
