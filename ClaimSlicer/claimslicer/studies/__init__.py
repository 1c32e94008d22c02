"""Reading and writing studies, and the phantom."""

from claimslicer.studies.geometry import Geometry
from claimslicer.studies.study import Study

__all__ = ["Geometry", "Study"]
