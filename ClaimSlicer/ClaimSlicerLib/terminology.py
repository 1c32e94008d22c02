"""The extension's terminology in Slicer: coded segments, and the file that lists the codes to choose from.

    PythonSlicer -m ClaimSlicerLib.terminology

in the module's folder writes the file again; a test fails while it differs from the codes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from claimslicer.terms import Code, Term

CONTEXT = "CLAIM myocardial scar and AHA segments"
REGIONS = "Anatomic codes - DICOM master list"
"""Slicer's own list of anatomic regions, which it always has."""
FILE = Path(__file__).resolve().parents[1] / "Resources" / "Terminology" / "ClaimSlicer.term.json"


def load() -> None:
    """Let Slicer know the terminology; a module does this once, at start-up.

    Raises RuntimeError when Slicer does not take the file.
    """
    import slicer

    logic = slicer.modules.terminologies.logic()
    if logic.LoadTerminologyFromFile(str(FILE)) != CONTEXT:
        raise RuntimeError(f"Slicer could not load the terminology from {FILE}.")


def terminology_entry(term: Term) -> str:
    """Return a segment's terminology tag as Slicer writes it."""
    parts = (CONTEXT, _code(term.category), _code(term.type), "^^", REGIONS, _code(term.region), "^^")
    return "~".join(parts)


def _code(code: Code | None) -> str:
    return "^^" if code is None else f"{code.scheme}^{code.value}^{code.meaning}"


def contents() -> dict[str, Any]:
    """Return what the file holds: every term that this extension writes, under its category."""
    from ClaimSlicerLib.segments import AHA_STYLES, LABEL_STYLES

    categories: dict[str, dict[str, Any]] = {}
    for style in (*LABEL_STYLES, *AHA_STYLES):
        category = style.term.category
        listed = categories.setdefault(category.value, {**_values(category), "showAnatomy": True, "Type": []})
        colour = [round(255 * part) for part in style.colour]
        entry = {"recommendedDisplayRGBValue": colour, **_values(style.term.type)}
        if entry["CodeValue"] not in [known["CodeValue"] for known in listed["Type"]]:
            listed["Type"].append(entry)
    return {
        "SegmentationCategoryTypeContextName": CONTEXT,
        "@schema": "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/segment-context-schema.json#",
        "SegmentationCodes": {"Category": list(categories.values())},
    }


def _values(code: Code) -> dict[str, str]:
    return {
        "CodeMeaning": code.meaning,
        "CodingSchemeDesignator": code.scheme,
        "CodeValue": code.value,
    }


if __name__ == "__main__":
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(
        json.dumps(contents(), indent=1, ensure_ascii=True) + "\n", encoding="utf-8", newline="\n"
    )
