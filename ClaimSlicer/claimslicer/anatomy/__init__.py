"""AHA segments, the left-ventricular frame and its coordinates, RV insertions, and the atlas route."""

from claimslicer.anatomy.frame import AngleRule, Insertions, LVFrame, build_frame

__all__ = ["AngleRule", "Insertions", "LVFrame", "build_frame"]
