"""The one family of errors that a user can act on.

Every message is one sentence that says what is wrong and what to do about it. The command line prints it
and ends with :attr:`ClaimError.exit_code`; a Slicer panel shows it in a message.
"""


class ClaimError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = 2


class StudyError(ClaimError):
    """A study, image or label map can't be read, or its parts don't belong together."""


class AnatomyError(ClaimError):
    """Labels or insertion points don't allow a left-ventricular frame."""


class FrameMissing(AnatomyError):
    """A heart's frame was asked for that isn't kept any more: build it again."""


class SpecificationError(ClaimError):
    """A scar specification or a configuration asks for something impossible."""


class ModelError(ClaimError):
    """Weights are missing, damaged or meant for something else."""


class OutputError(ClaimError):
    """A result can't be written where it was asked for."""


class NotReproduced(ClaimError):
    """A result that was made again differs from the stored one."""

    exit_code = 1


class Cancelled(ClaimError):
    """The user stopped the work."""

    exit_code = 130
