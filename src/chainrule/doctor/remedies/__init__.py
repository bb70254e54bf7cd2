"""Remedies, and trying them on copies."""
