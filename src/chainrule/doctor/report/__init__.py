"""A diagnosis as text and HTML."""
