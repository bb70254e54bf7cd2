"""From a function to a program, and whether what was read in between is still so."""
