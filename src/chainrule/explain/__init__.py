"""Where a gradient comes from: derivations, formulas and graphs."""
