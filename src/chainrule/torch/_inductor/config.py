"""Switches of PyTorch's compiler: they can be set, and have no effect here."""
