"""From a function to a program, and the guards on everything read on the way."""
