"""Task layers: features to outputs."""
