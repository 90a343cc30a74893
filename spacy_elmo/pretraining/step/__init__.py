"""One training step: gradients and the optimizer."""
