"""Parts of the module Scar Synthesis: variants in the scene, and the boxes that list and compare them."""
