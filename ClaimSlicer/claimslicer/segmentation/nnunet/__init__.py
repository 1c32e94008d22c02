"""The bridge to nnU-Net v2, segmentation's side: any of its trained models, run by its own predictor."""
