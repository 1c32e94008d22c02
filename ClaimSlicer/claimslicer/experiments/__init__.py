"""The CLAIM paper's experiment: what synthetic studies and joint training are worth to a segmenter.

After Ramzan et al. 2025, Table 2 and figures 5 and 6. :mod:`claimslicer.experiments.arms` says what is
compared.
"""
