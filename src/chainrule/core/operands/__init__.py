"""What stands beside a tensor: NumPy's protocols, other libraries, plain numbers."""
