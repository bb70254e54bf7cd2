"""What a command does: it finds its target, works, and reports."""
