"""Weights: cards, hashes, finding and loading; the shipped ones lie in folders here, each with its terms."""
