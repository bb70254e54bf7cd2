"""A derivation as text, Markdown, LaTeX and HTML."""
