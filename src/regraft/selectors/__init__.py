"""Rules that pick which weights to keep."""
