"""LaTeX formulas that can be evaluated: tokens, a parser, nodes, and arrays for their names."""
