"""Pieces of the SMILE panel: its parameters, the worker's answers, and the scar's node."""
