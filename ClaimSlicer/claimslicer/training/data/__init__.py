"""What is learnt from: a cohort in one file, its split and captions, and what is drawn or painted into it."""
