"""Measurements of a network, and the findings from them."""
