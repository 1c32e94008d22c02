"""A reader test: people look at real and synthetic scars, mixed, and say which is which."""

from claimslicer.evaluation.reader.choose import choose_sheets
from claimslicer.evaluation.reader.score import ReaderScore, read_forms, scores_table
from claimslicer.evaluation.reader.sheets import write_reader_test

__all__ = ["ReaderScore", "choose_sheets", "read_forms", "scores_table", "write_reader_test"]
