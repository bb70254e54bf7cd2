"""How results are shown: text made harmless, mathematics in Unicode, pieces of pages."""
