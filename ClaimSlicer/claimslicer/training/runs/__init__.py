"""How a run is kept: its folder, its lock, its process, and what it will need."""
