"""What Weights & Biases shows of the mirrored runs."""
