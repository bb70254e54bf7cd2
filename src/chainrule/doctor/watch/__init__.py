"""Looking at the gradients during a training."""
