"""Transfer of features: heads on frozen features, and features made alike across domains."""
