"""The documentation as a site, to be read offline: make docs."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]

project = "CLAIM for 3D Slicer"
author = "The CLAIM for 3D Slicer developers"
version = release = re.search(
    r'^version = "(.+)"$', (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"), re.M
)[1]
project_copyright = author

extensions = ["myst_parser"]
exclude_patterns = ["conf.py"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "alabaster"
html_theme_options = {
    "description": "Myocardial scar in LGE MRI. Research use only.",
    "fixed_sidebar": True,
    "page_width": "1080px",
}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_copy_source = False
html_show_sphinx = False
