"""What a check found, as text, HTML and plain data."""
