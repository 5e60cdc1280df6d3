"""What is learned: label space, head, loss, utility and metrics."""
