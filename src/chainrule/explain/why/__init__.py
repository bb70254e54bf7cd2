"""Why one gradient is zero, missing or not finite."""
