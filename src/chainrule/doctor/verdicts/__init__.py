"""Verdicts: what the measurements mean."""
