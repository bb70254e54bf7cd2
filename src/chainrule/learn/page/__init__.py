"""Practice as a page: one question after another, judged at once, on a server of this machine only."""
