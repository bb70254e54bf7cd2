"""The formula of each operation, and formulas that need more than a docstring."""
