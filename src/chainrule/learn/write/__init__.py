"""Sheets of exercises in the formats that people hand out: Markdown, HTML, LaTeX, notebooks, Moodle's XML, QTI."""
