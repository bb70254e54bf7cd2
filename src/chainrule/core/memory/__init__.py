"""Memory: what shares it, what wrote to it, and what was saved of it."""
