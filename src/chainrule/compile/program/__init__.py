"""What a capture writes down, and its simplifications."""
