"""Predictions, without training, of how well a source will transfer."""
