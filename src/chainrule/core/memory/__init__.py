"""Memory: who shares it, who wrote to it, and what was saved of it."""
