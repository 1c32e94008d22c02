"""What can be set: the configurations of the three trainings, and presets of them."""
