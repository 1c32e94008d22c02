"""Reviewing segmentations: a reviewer's decisions, and a queue over a folder of studies."""

from claimslicer.review.find import FoundStudy, find_studies
from claimslicer.review.folder import (
    FolderStudy,
    Made,
    StudyRow,
    check_all,
    is_folder_of_studies,
    labels_of,
    over_folder,
)
from claimslicer.review.queue import ReviewQueue, StudyRecord
from claimslicer.review.review import Review, ReviewState

__all__ = [
    "FolderStudy",
    "FoundStudy",
    "Made",
    "Review",
    "ReviewQueue",
    "ReviewState",
    "StudyRecord",
    "StudyRow",
    "check_all",
    "find_studies",
    "is_folder_of_studies",
    "labels_of",
    "over_folder",
]
