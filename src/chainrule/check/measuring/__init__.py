"""Comparing one gradient with numerical derivatives."""
