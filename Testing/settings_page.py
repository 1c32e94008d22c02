"""Keep docs/settings.md: every setting of every YAML file, made from the dataclasses that read them.

    python Testing/settings_page.py

rewrites the page. ``Testing/library/test_docs.py`` fails while it differs from the code.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import textwrap
from dataclasses import MISSING, Field, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"


@dataclass(frozen=True)
class Table:
    """One table: the dataclass that it is made from, and what stands above it."""

    module: str
    name: str
    title: str
    text: str

    def settings(self) -> type:
        """Return the dataclass."""
        return getattr(importlib.import_module(f"claimslicer.{self.module}"), self.name)


TRAINING = "training.settings.config"
TABLES = (
    Table(
        TRAINING,
        "TrainingConfig",
        "Every training",
        "These hold in `train synthesis`, `train segmentation` and `train joint`; but `steps` not in the\n"
        "last, whose stages have their own.",
    ),
    Table(
        TRAINING,
        "SegmentationConfig",
        "Training the segmenter",
        "`claim-slicer train segmentation CONFIG.yaml`; see [Training](training.md).",
    ),
    Table(
        TRAINING,
        "SynthesisConfig",
        "Training the generator",
        "`claim-slicer train synthesis CONFIG.yaml`; see [Training](training.md). Where the paper did "
        "otherwise, its value is noted.",
    ),
    Table(
        "training.settings.joint_config",
        "JointConfig",
        "Joint training",
        "`claim-slicer train joint CONFIG.yaml`; see [Training](training.md#joint-training).",
    ),
    Table(
        "cohorts.config",
        "CohortConfig",
        "Cohorts",
        "`claim-slicer cohort CONFIG.yaml`; see [Cohorts](cohorts.md).",
    ),
    Table("cohorts.config", "Source", "A source of a cohort", "An entry of `sources`."),
    Table(
        "cohorts.config",
        "Quality",
        "The quality filter of a cohort",
        "`quality`; either `threshold` or `pass_rate` must be given.",
    ),
    Table(
        "smile.resample",
        "ScarTarget",
        "A target distribution",
        "`target` of a cohort or of joint training; at least one of these.",
    ),
    Table(
        "smile.draw",
        "ScarPrior",
        "How SMILE draws scars by chance",
        "`prior` of a cohort. The defaults are fitted to EMIDEC's patients with infarct.",
    ),
    Table(
        "smile.spec",
        "ScarSpec",
        "A scar specification",
        "`claim-slicer smile STUDY --spec FILE.yaml`, and *Specification* in module SMILE; see "
        "[The command line](commands.md).",
    ),
    Table("smile.texture", "Texture", "The texture of a scar specification", "`texture`."),
    Table(
        "evaluation.config",
        "EvaluationConfig",
        "Evaluation",
        "`claim-slicer evaluate CONFIG.yaml`; see "
        "[Experiments](experiments.md#how-real-synthetic-scars-are).",
    ),
    Table(
        "experiments.config",
        "ExperimentConfig",
        "The paper's experiment",
        "`claim-slicer experiment CONFIG.yaml`; see [Experiments](experiments.md).",
    ),
)
HEAD = """\
# Settings of the YAML files

<!-- Made by Testing/settings_page.py from the code: change the dataclasses' fields and run it. -->

A setting that is left out has its default; *needed* ones can't be left out. Relative paths are taken from the
YAML file's folder. An unknown setting, or a value that makes no sense, is refused: a sentence says why.
"""


def descriptions(kind: type) -> dict[str, str]:
    """Return the text below each field of a dataclass, its base classes' included."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(one))).body[0].body  # type: ignore[attr-defined]
        for field, below in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = below.value if isinstance(below, ast.Expr) else None
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    found[field.target.id] = " ".join(text.value.split())
    return found


def own_fields(kind: type) -> list[Field[Any]]:
    """Return the fields that can be set and that no base class has with the same default."""
    inherited = {field.name: field for base in kind.__mro__[1:-1] for field in fields(base)}
    return [field for field in fields(kind) if field.init and _is_new(field, inherited.get(field.name))]


def page() -> str:
    """Return the page's text. Raises ValueError for a setting without a description."""
    parts = [HEAD]
    for table in TABLES:
        kind = table.settings()
        texts, shown = descriptions(kind), own_fields(kind)
        if missing := [field.name for field in shown if field.name not in texts]:
            raise ValueError(f"Describe {', '.join(missing)} of {table.name}: a text below the field.")
        rows = [f"| `{field.name}` | {_default(field)} | {_cell(texts[field.name])} |" for field in shown]
        head = "| setting | default | meaning |\n|---|---|---|"
        parts.append("\n".join((f"## {table.title}", "", table.text, "", head, *rows, "")))
    return "\n".join(parts)


def _is_new(field: Field[Any], other: Field[Any] | None) -> bool:
    return other is None or field.default != other.default


def _default(field: Field[Any]) -> str:
    """Return a default as YAML has it; a dash for none, or for one that is a table of its own."""
    value = field.default
    if field.default_factory is not MISSING or value is None or value == "" or field.name == "arms":
        return "–"
    if value is MISSING:
        return "*needed*"
    text = json.dumps(value, default=str) if isinstance(value, bool | tuple) else f"{value}"
    return f'`"{text}"`' if isinstance(value, str) and text.isdigit() else f"`{text}`".replace('"', "")


def _cell(text: str) -> str:
    """Return a docstring's text as Markdown in a table."""
    return re.sub(r":(?:func|class|mod):", "", text).replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
