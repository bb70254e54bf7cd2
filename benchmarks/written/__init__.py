"""PyTorch's operators as a user of NumPy writes them."""
