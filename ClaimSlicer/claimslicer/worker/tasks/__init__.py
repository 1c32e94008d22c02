"""What the worker can do, by name; a task's file is imported when it is first asked for.

A task is a plain function ``task(context, arguments) -> result``; both dicts hold JSON types and arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from claimslicer.worker.context import Context

Task = Callable[[Context, dict[str, Any]], dict[str, Any]]

TASKS = {
    "frame": "anatomy:frame",
    "surface": "anatomy:surface",
    "scar": "smile:scar",
    "random_spec": "smile:random_spec",
    "synthesize": "synthesis:synthesize",
    "segment": "segmentation:segment",
    "reformat": "reformat:reformat",
    "quantify": "quantification:quantify",
    "report": "quantification:report",
    "thresholds": "thresholds:thresholds",
    "list_studies": "studies:list_studies",
    "read_study": "studies:read",
    "segment_file": "studies:segment_file",
    "write_labels": "studies:write_labels",
    "write_image": "studies:write_image",
    "export_dicom": "studies:export_dicom",
    "sample": "samples:sample",
    "verify_models": "models:verify_models",
    "import_model": "models:import_model",
    "export_model": "models:export_model",
    "remove_model": "models:remove_model",
    "doctor": "doctor:doctor",
    "devices": "doctor:devices",
    "training_needs": "training:training_needs",
}
"""Each name's file and function."""


def find_task(name: str) -> Task:
    """Return the task called ``name``; KeyError when there is none."""
    module, function = TASKS[name].split(":")
    return getattr(import_module(f"{__name__}.{module}"), function)
