"""Pictures of results: bull's-eyes, montages and the report page.

:mod:`claimslicer.figures.bullseye` is plain Python and may be imported anywhere. The others draw with
matplotlib and are imported where they are needed:

- :mod:`~claimslicer.figures.draw`: a bull's-eye's face as a figure;
- :mod:`~claimslicer.figures.montage`: slices with labels; original, synthetic and difference;
- :mod:`~claimslicer.figures.sections` and :mod:`~claimslicer.figures.report`: the HTML page.
"""
