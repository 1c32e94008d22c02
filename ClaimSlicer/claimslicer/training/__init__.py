"""Training of generator and segmenter: cached cohorts, configurations, an exactly resumable loop."""
