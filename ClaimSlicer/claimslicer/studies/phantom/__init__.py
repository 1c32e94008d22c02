"""The phantom: LGE short-axis studies with known truth, drawn from a seed."""

from claimslicer.studies.phantom.cohort import phantom_cohort
from claimslicer.studies.phantom.make import InsertionPoints, Phantom, PhantomTruth, make_phantom
from claimslicer.studies.phantom.settings import PhantomAppearance, PhantomScar, PhantomSettings

__all__ = [
    "InsertionPoints",
    "Phantom",
    "PhantomAppearance",
    "PhantomScar",
    "PhantomSettings",
    "PhantomTruth",
    "make_phantom",
    "phantom_cohort",
]
