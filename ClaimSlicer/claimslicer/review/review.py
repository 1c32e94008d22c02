"""What a reviewer decided about a segmentation, and whether it still is what was decided on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum

from claimslicer.errors import StudyError


class ReviewState(StrEnum):
    """Where the review of a segmentation stands."""

    TO_REVIEW = "to review"
    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Review:
    """A decision: ``time`` is ISO 8601 in UTC, ``content`` the SHA-256 of the labels it was made about.

    A fresh prediction is "to review" with the prediction's own hash; ``content`` is empty for labels from
    elsewhere that nobody has decided about.
    """

    state: ReviewState = ReviewState.TO_REVIEW
    remark: str = ""
    time: str = ""
    content: str = ""

    def state_of(self, content: str) -> ReviewState:
        """Return the state of labels with the hash ``content``: other ones than before count as corrected."""
        unchanged = content == self.content or not self.content
        return self.state if unchanged else ReviewState.CORRECTED

    def decided(self, state: ReviewState, content: str) -> Review:
        """Return the decision ``state`` about labels with the hash ``content``, made now."""
        return Review(state, self.remark, now(), content)

    def remarked(self, remark: str) -> Review:
        """Return the same decision with another remark."""
        return Review(self.state, remark, now(), self.content)

    def to_dict(self) -> dict[str, str]:
        """Return the fields as text."""
        return {item.name: str(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_dict(cls, values: dict[str, str]) -> Review:
        """Read what :meth:`to_dict` wrote. Raises StudyError for a state that doesn't exist."""
        try:
            state = ReviewState(values.get("state", ReviewState.TO_REVIEW))
            return cls(state, **{name: text for name, text in values.items() if name != "state"})
        except (TypeError, ValueError) as error:
            raise StudyError(f"This is no record of a review: {error}.") from error


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
