"""Which formula holds for an operation, and formulas that need more than a docstring."""
