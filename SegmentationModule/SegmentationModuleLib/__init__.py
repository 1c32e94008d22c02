"""The parts of the module Scar Segmentation's panel."""
