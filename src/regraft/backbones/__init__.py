"""Feature layers of each library, as stages in depth order."""
