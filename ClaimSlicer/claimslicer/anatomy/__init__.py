"""AHA segments, the left-ventricular frame and its coordinates, RV insertions, and the atlas route."""

from claimslicer.anatomy.frame import LVFrame, build_frame
from claimslicer.anatomy.landmarks import AngleRule, Insertions

__all__ = ["AngleRule", "Insertions", "LVFrame", "build_frame"]
