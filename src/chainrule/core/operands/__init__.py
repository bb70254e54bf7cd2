"""The other operands of operations with tensors: NumPy's protocols, other libraries, plain numbers."""
