"""The review of a segmentation, kept as attributes of its node."""

from __future__ import annotations

from collections.abc import Callable

import slicer
from claimslicer.review import Review, ReviewState
from slicer.i18n import tr as _

PREFIX = "ClaimSlicer.Review."
FIELDS = ("state", "remark", "time", "content")


def read_review(node: slicer.vtkMRMLNode) -> Review:
    """Return the review that ``node`` carries; one that nobody has reviewed is to review."""
    values = {name: node.GetAttribute(PREFIX + name) for name in FIELDS}
    return Review.from_dict({name: value for name, value in values.items() if value is not None})


def write_review(node: slicer.vtkMRMLNode, review: Review) -> None:
    """Keep ``review`` with ``node``."""
    for name, value in review.to_dict().items():
        node.SetAttribute(PREFIX + name, value)


class ReviewBox:
    """Four buttons for the state, the remark; ``changed(labels)`` is called after each decision."""

    def __init__(self, ui, changed: Callable[[slicer.vtkMRMLNode], None]) -> None:
        self._ui = ui
        self._changed = changed
        self._labels: slicer.vtkMRMLNode | None = None
        self._content = ""
        self._buttons = {
            ReviewState.TO_REVIEW: ui.toReviewButton,
            ReviewState.ACCEPTED: ui.acceptedButton,
            ReviewState.CORRECTED: ui.correctedButton,
            ReviewState.REJECTED: ui.rejectedButton,
        }
        for state, button in self._buttons.items():
            button.clicked.connect(lambda *_args, state=state: self.decide(state))
        ui.remarkEdit.editingFinished.connect(self._remark)

    def show(self, labels: slicer.vtkMRMLNode | None, content: str) -> None:
        """Show the review of ``labels``, whose content has the hash ``content`` ("" while not known)."""
        another = labels is not self._labels
        self._labels, self._content = labels, content
        for widget in (*self._buttons.values(), self._ui.remarkEdit):
            widget.enabled = labels is not None
        if labels is None:
            self._ui.reviewLabel.text = _("Choose or make the labels to review them.")
            self._ui.remarkEdit.text = ""
        else:
            review = read_review(labels)
            self._ui.reviewLabel.text = self._sentence(review)
            if another:  # else the user may be typing
                self._ui.remarkEdit.text = review.remark
        shown = None if labels is None else self._state(read_review(labels))
        for state, button in self._buttons.items():
            button.checked = state == shown

    def decide(self, state: ReviewState) -> None:
        """Keep the user's decision about the labels as they are now."""
        with slicer.util.tryWithErrorDisplay(_("The review could not be kept.")):
            write_review(self._labels, read_review(self._labels).decided(state, self._content))
            self.show(self._labels, self._content)
            self._changed(self._labels)

    def _remark(self, *_args) -> None:
        if self._labels is None or read_review(self._labels).remark == self._ui.remarkEdit.text:
            return
        with slicer.util.tryWithErrorDisplay(_("The remark could not be kept.")):
            write_review(self._labels, read_review(self._labels).remarked(self._ui.remarkEdit.text))
            self._changed(self._labels)

    def _state(self, review: Review) -> ReviewState:
        return review.state_of(self._content) if self._content else review.state

    def _sentence(self, review: Review) -> str:
        if self._state(review) != review.state:
            return _("Corrected is proposed: the segments were changed since. Press a state to confirm.")
        if not review.time:
            return _("Not reviewed yet.")
        return _("{state} on {time} UTC").format(
            state=str(review.state).capitalize(), time=review.time[:16].replace("T", " ")
        )
