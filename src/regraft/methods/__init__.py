"""Named lists of phases, by the families of the field."""
