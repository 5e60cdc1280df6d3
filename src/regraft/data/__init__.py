"""Examples, their splits, their pixels, and the data that ships."""
