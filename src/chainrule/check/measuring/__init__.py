"""One gradient held against numerical derivatives."""
