"""How a training goes on: the loop, its checkpoints, its processes and devices."""
