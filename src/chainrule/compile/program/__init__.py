"""The program that a capture records, and its simplifications."""
