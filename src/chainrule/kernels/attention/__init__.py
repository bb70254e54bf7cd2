"""Blockwise attention."""
