"""The bottom layer, free of mathematics: files, blocks, calls, the user's line."""
