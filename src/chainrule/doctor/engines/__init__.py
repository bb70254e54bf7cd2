"""Engines: one for each library whose networks the doctor can examine."""
