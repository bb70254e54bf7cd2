"""autograd.scipy."""
