"""What an evaluation writes: the page, the figure page, montages, tables, `summary.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from claimslicer.evaluation.config import EvaluationConfig
from claimslicer.evaluation.pictures import Shown, evaluation_figure, overview_figure
from claimslicer.evaluation.record import ScarRecord
from claimslicer.evaluation.run import SETTINGS_FILE
from claimslicer.evaluation.summary import Summary
from claimslicer.evaluation.tables import headline, studies_table, tables_of
from claimslicer.evaluation.tell import Telling
from claimslicer.evaluation.twosample.shown import section_of
from claimslicer.figures.montage import synthesis_montage
from claimslicer.figures.report import Picture, Report, Section, write_report
from claimslicer.json_files import read_json
from claimslicer.outputs import write_text
from claimslicer.studies import make_recipe, read_study

SUMMARY_FILE = "summary.json"


def write_page(
    config: EvaluationConfig, records: Sequence[ScarRecord], summary: Summary, telling: Telling | None = None
) -> Path:
    """Write `report.html`, `evaluation.csv`, `summary.json` and the pictures into ``config.out``.

    ``telling`` adds what classifiers could tell. Returns the page's path. Raises OutputError where the
    folder can't be written.
    """
    from claimslicer.segmentation.model import judged_by

    patients, hearts = (
        len({r.case for r in records if r.kind in kinds}) for kinds in (("real",), ("authored", "copy"))
    )
    subject = f"{patients} patients with scar, {hearts} hearts without; {len(records)} scars"
    figures = Picture(
        "evaluation_synthetic",
        "Grey band: between the real patients' quartiles. Bars: medians; of Dice, means with 95 % intervals.",
        evaluation_figure(summary, records, subject),
        synthetic=True,
    )
    text = f"{headline(summary)} {judged_by(config.segmenter)}"
    sections = [
        Section("Against real scars", text, tables=tables_of(summary), pictures=[figures]),
        *([section_of(telling.told, telling.samples, telling.note)] if telling else []),
        *_montage_sections(config, records),
        Section("Every study", tables=[studies_table(records)]),
    ]
    settings = read_json(config.out / SETTINGS_FILE)
    recipe = make_recipe("evaluate", settings=settings["settings"], weights=settings["weights"])
    report = Report("Realism of synthetic scars", subject, sections, recipe, synthetic=True)
    values = summary.to_dict() | ({"told": telling.to_dict()} if telling else {})
    write_text(config.out / SUMMARY_FILE, json.dumps(values, indent=2, ensure_ascii=False))
    return write_report(config.out, report)


def _montage_sections(config: EvaluationConfig, records: Sequence[ScarRecord]) -> list[Section]:
    shown = shown_scars(config, records)
    if not shown:
        return []
    text = "The first patients by name, first seed each, so that none is chosen for its looks."
    pictures = [Picture("six_synthetic", text, overview_figure(shown), synthetic=True)]
    for one in shown:
        figure = synthesis_montage(
            one.study.image,
            one.image,
            one.record.scar,
            one.study.geometry,
            heart=one.heart,
            title=f"{one.record.case}, {one.record.kind}",
            apex_first=one.study.apex_first,
        )
        caption = f"{one.record.case}, {one.record.kind}: original, synthetic and difference in every slice."
        pictures.append(Picture(f"montage_{one.record.name}_synthetic", caption, figure, synthetic=True))
    return [Section("Seen", text, pictures=pictures)]


def shown_scars(config: EvaluationConfig, records: Sequence[ScarRecord]) -> list[Shown]:
    """Return the scars to show, repainted and authored, one a heart; none of the controls."""
    repainted, authored = (
        sorted((r for r in records if r.kind == kind and r.draw == 0), key=lambda r: r.case)
        for kind in ("repainted", "authored")
    )
    authored = authored[: config.montages // 2]
    chosen = repainted[: config.montages - len(authored)] + authored
    shown = []
    folders = {folder.name: folder for folder in config.case_folders()}
    for record in chosen:
        study = read_study(folders[record.case])
        assert study.labels is not None
        shown.append(Shown(record, study, study.labels, record.image_of(study.image)))
    return shown
