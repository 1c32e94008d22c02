"""What is learnt: the generator, the segmenter, and both together."""
