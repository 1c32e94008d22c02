"""One file per format (``nifti``, ``itk``, ``dicom``), one per layout (``emidec``, ``myops``, ``acdc``).

A format gives a :class:`~claimslicer.studies.readers.volume.Volume`. A layout has a function ``find(path)``
that gives a :class:`~claimslicer.studies.readers.layout.CaseFiles`, or None where ``path`` isn't laid out so;
it is tried once it stands in ``LAYOUTS`` of :mod:`claimslicer.studies.read`.
"""
