"""What could help, and trying it on copies."""
