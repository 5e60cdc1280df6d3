"""How examples become the tensors that networks expect."""
