"""Changes to a model outside the loop."""
