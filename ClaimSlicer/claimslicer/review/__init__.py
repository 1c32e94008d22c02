"""Reviewing segmentations: a reviewer's decisions, and a queue over a folder of studies."""

from claimslicer.review.find import FoundStudy, find_studies
from claimslicer.review.queue import ReviewQueue, StudyRecord
from claimslicer.review.review import Review, ReviewState

__all__ = ["FoundStudy", "Review", "ReviewQueue", "ReviewState", "StudyRecord", "find_studies"]
