"""Author, synthesise, segment and measure myocardial scar in LGE MRI. No Qt, no Slicer.

Arrays are ``(z, y, x)``; their place in the patient is a :class:`claimslicer.studies.Geometry`
(millimetres, LPS). Research use only, not for diagnosis.
"""

__version__ = "0.1.0"
