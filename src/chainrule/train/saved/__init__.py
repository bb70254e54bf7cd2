"""Complete model files, and reading them."""
