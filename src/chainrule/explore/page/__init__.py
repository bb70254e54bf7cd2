"""The page: its frame from Python, its behaviour as a few small modules that are joined here."""
