"""The audit of NumPy's functions: what each of them is here."""
