"""The bridge to nnU-Net v2, training's side: studies as its data sets, and our trainer for its commands."""
