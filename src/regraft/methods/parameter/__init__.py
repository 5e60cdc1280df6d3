"""Transfer of weights: fine-tuning and its regularised, staged and low-rank kin."""
