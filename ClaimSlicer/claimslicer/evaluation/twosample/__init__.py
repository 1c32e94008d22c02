"""A two-sample test: can a classifier tell synthetic scars from real ones, patients held out?"""

from claimslicer.evaluation.twosample.samples import LabelledScar, SliceSample, slice_samples
from claimslicer.evaluation.twosample.telling import TwoSample, two_sample

__all__ = ["LabelledScar", "SliceSample", "TwoSample", "slice_samples", "two_sample"]
