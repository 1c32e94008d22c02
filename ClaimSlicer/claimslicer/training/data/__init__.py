"""What is learnt from: a cohort in one file, its split, its captions, and what is painted and drawn into it."""
