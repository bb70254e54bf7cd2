"""Libraries whose networks the doctor can examine."""
