"""The mirror of the store in Weights & Biases."""
