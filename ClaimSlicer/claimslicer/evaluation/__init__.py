"""How real a synthetic scar is: measured in one study, compared over a cohort, shown on a page.

:mod:`claimslicer.quantification.quality` needs nothing else of this program and may be used anywhere.
"""
