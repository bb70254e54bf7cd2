"""Grading hand-written backward passes: submissions run in a box, and `check` says what is wrong with each."""
