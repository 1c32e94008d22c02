"""Results as DICOM: series, segmentations, structured reports and pictures that a hospital opens."""
