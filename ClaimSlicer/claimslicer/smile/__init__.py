"""Scar masks guided by clinical knowledge (SMILE): specifications, and masks made from them."""

from claimslicer.smile.draw import ScarPrior, paper_spec, random_spec
from claimslicer.smile.generate import ScarMask, generate_scar
from claimslicer.smile.spec import ScarSpec
from claimslicer.smile.texture import Texture

__all__ = ["ScarMask", "ScarPrior", "ScarSpec", "Texture", "generate_scar", "paper_spec", "random_spec"]
