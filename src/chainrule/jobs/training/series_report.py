"""x"""

SECTIONS = None
