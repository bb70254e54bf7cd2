"""What stands under everything and knows nothing of mathematics: files, blocks, calls, the user's line."""
