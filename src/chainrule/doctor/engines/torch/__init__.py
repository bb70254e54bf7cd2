"""PyTorch's networks."""
