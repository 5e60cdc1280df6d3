"""Summands of the objective, inside the loop."""
