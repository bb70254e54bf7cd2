"""The work behind each command: finding its target, running, reporting."""
