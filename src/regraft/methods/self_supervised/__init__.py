"""Learning from unlabelled examples alone: what makes a source of them."""
