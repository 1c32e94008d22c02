"""Reading filled-in forms back: how often each reader was right, with its interval."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import binomtest

from claimslicer.errors import SpecificationError
from claimslicer.evaluation.cohort import Estimate
from claimslicer.evaluation.reader.sheets import (
    ANSWERS,
    FORM_COLUMNS,
    KEY_COLUMNS,
    KEY_FILE,
    KEY_FOLDER,
    TEST_FOLDER,
)
from claimslicer.figures.report import Cell, Table


@dataclass(frozen=True)
class ReaderScore:
    """How often a reader was right: of all sheets answered, of the real ones, and of each synthetic kind.

    Each with a 95 % interval after Wilson (JASA 1927), which takes sheets for independent. ``p`` is the
    two-sided binomial test against guessing.
    """

    reader: str
    answered: int
    asked: int
    accuracy: Estimate
    by_kind: Mapping[str, Estimate]
    p: float


def read_forms(out: Path, forms: Sequence[Path]) -> list[ReaderScore]:
    """Return the score of every reader in ``forms``, filled in for the test that ``out`` holds the key of.

    A sheet left open isn't counted. Raises SpecificationError where there is no key, a form is another
    test's, or an answer can't be understood.
    """
    key_file = out / KEY_FOLDER / KEY_FILE
    if not key_file.is_file():
        raise SpecificationError(
            f"'{out}' holds no key of a reader test: run the evaluation first, with 'sheets' above 0."
        )
    key = {row["sheet"]: row for row in _rows(key_file, KEY_COLUMNS)}
    answers: dict[str, dict[str, str]] = {}
    for form in forms:
        for row in _rows(form, FORM_COLUMNS):
            _check(row, key, form)
            own = answers.setdefault(row["reader"] or form.stem, {})
            answer = row["answer"].lower()
            if not answer:
                continue
            if row["sheet"] in own:
                raise SpecificationError(
                    f"'{form}': {row['reader'] or form.stem} answers sheet {row['sheet']} twice; keep one."
                )
            own[row["sheet"]] = answer
    empty = [reader for reader, own in answers.items() if not own]
    if empty or not answers:
        raise SpecificationError(f"{', '.join(empty) or 'The form'} answers no sheet: fill in 'answer'.")
    return [_score(reader, own, key) for reader, own in sorted(answers.items())]


def scores_table(scores: Sequence[ReaderScore]) -> Table:
    """Return one row for each reader."""
    kinds = list(dict.fromkeys(kind for score in scores for kind in score.by_kind))
    rows: list[list[Cell]] = [
        [
            score.reader,
            f"{score.answered} of {score.asked}",
            _share(score.accuracy),
            *(_share(score.by_kind[kind]) if kind in score.by_kind else "–" for kind in kinds),
            f"{score.p:.3f}" if score.p >= 0.001 else "< 0.001",
        ]
        for score in scores
    ]
    note = (
        "How often the reader was right; who guesses is right in 50 %. In brackets Wilson's 95 % interval, "
        "as if no two sheets were of one patient. p: binomial test against guessing, two-sided."
    )
    columns = ("Reader", "Answered", "Accuracy", *(f"Right of {kind}" for kind in kinds), "p")
    return Table("reader_scores", "Readers", columns, rows, note)


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecificationError(
            f"'{path}' can't be read: give a form as '{TEST_FOLDER}' holds it, saved as CSV in UTF-8."
        ) from error
    first = text.partition("\n")[0]
    # Spreadsheets of many countries save with semicolons.
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",")
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        raise SpecificationError(f"'{path}' has no column {', '.join(missing)}: use the test's own form.")
    return [{name: (row[name] or "").strip() for name in columns} for row in reader]


def _check(row: Mapping[str, str], key: Mapping[str, Mapping[str, str]], form: Path) -> None:
    if row["sheet"] not in key:
        raise SpecificationError(f"'{form}' answers a sheet '{row['sheet']}', which the test doesn't have.")
    if row["test"] != key[row["sheet"]]["test"]:
        raise SpecificationError(f"'{form}' was filled in for another test than the one in this folder.")
    if row["answer"].lower() not in ("", *ANSWERS):
        raise SpecificationError(
            f"'{form}', sheet {row['sheet']}: '{row['answer']}' is no answer; write {' or '.join(ANSWERS)}."
        )


def _score(reader: str, own: Mapping[str, str], key: Mapping[str, Mapping[str, str]]) -> ReaderScore:
    right = {sheet: answer == key[sheet]["truth"] for sheet, answer in own.items()}
    kinds = sorted({row["kind"] for row in key.values()}, key=lambda kind: (kind != "real", kind))
    of_kind = {kind: [ok for sheet, ok in right.items() if key[sheet]["kind"] == kind] for kind in kinds}
    hits = sum(right.values())
    return ReaderScore(
        reader,
        len(right),
        len(key),
        _with_interval(hits, len(right)),
        {kind: _with_interval(sum(some), len(some)) for kind, some in of_kind.items() if some},
        float(binomtest(hits, len(right)).pvalue),
    )


def _with_interval(hits: int, count: int) -> Estimate:
    interval = binomtest(hits, count).proportion_ci(method="wilson")
    return Estimate(hits / count, float(interval.low), float(interval.high))


def _share(share: Estimate) -> str:
    return f"{share.value:.0%} ({share.low:.0%} to {share.high:.0%})"
