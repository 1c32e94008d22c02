"""What a user sees of a training: curves, pictures, TensorBoard's logs, joint training's page."""
