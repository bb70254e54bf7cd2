"""Backward passes written by hand, and mistakes put into them by program."""
