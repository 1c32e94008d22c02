"""Reading and writing studies, and the phantom."""

from claimslicer.studies.geometry import Geometry
from claimslicer.studies.provenance import make_recipe
from claimslicer.studies.read import read_intensity, read_labels, read_scar_mask, read_study
from claimslicer.studies.study import Encoding, Study
from claimslicer.studies.write import check_volume_path, write_volume

__all__ = [
    "Encoding",
    "Geometry",
    "Study",
    "check_volume_path",
    "make_recipe",
    "read_intensity",
    "read_labels",
    "read_scar_mask",
    "read_study",
    "write_volume",
]
