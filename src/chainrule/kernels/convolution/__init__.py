"""Convolution and its adjoints without im2col."""
