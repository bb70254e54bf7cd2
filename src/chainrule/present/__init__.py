"""How results are shown: pages, tables, charts and formulas, texts in two languages, names of others made harmless."""
