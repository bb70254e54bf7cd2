"""What the measurements mean."""
