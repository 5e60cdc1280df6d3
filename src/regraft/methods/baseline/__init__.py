"""No transfer: what every method must beat."""
