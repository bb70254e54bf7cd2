"""Products, decompositions, norms."""
