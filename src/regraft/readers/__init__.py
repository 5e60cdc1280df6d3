"""Data on disk as examples: ids, labels and paths, nothing decoded."""
