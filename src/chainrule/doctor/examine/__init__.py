"""What is measured of a network, and what was seen."""
