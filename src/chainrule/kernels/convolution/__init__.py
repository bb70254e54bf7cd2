"""Convolution and its adjoints without columns."""
