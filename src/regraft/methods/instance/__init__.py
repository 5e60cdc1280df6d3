"""Transfer of examples: source data trains beside the target's."""
