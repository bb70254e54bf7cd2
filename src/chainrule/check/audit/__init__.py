"""Which of NumPy's functions there are here."""
