"""Synthetic scars against real ones on EMIDEC's validation patients, which no shipped network was trained on.

The segmenter that looks for them is those of the shipped labellers that learnt from no synthetic study.

    python Testing/benchmarks/synthesis_realism.py --out FOLDER [--data EMIDEC] [--model M] [--band MM]

Runs `claim-slicer evaluate` with its default settings but the band, prints its tables and writes its page,
its figure page and six montages into FOLDER. Run again, it goes on where it was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from claimslicer.evaluation.config import EvaluationConfig
from claimslicer.evaluation.page import write_page
from claimslicer.evaluation.run import evaluate
from claimslicer.evaluation.summary import summarise
from claimslicer.evaluation.tables import as_text, headline, tables_of
from claimslicer.segmentation.model import judged_by


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    repository = Path(__file__).resolve().parents[2]
    parser.add_argument("--data", type=Path, default=repository.parent / "shared" / "data" / "emidec")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--band", type=float, default=4.0, help="mm beside the scar painted too")
    options = parser.parse_args()
    config = EvaluationConfig(
        data=options.data, out=options.out, cases="validation", model=options.model, band_mm=options.band
    )
    records = evaluate(config)
    summary = summarise(records, pass_rate=config.pass_rate, resamples=config.resamples)
    for table in tables_of(summary):
        print(as_text(table), end="\n\n")
    print(headline(summary), judged_by(config.segmenter), end="\n\n")
    print(f"Page, figures and six montages: {write_page(config, records, summary)}")


if __name__ == "__main__":
    main()
