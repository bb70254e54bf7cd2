"""The traces: how an operation finds them, what they record, and how they are traversed."""
