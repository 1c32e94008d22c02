"""What comes out of a training: a model with its card, calibrated, or several in one."""
