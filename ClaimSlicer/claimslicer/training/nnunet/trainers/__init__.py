"""The folder that nnU-Net is told of: one file that names our trainers."""
