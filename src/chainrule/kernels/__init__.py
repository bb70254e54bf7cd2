"""The hot rules as Numba functions, on plain arrays alone: they know nothing of tensors or tapes.

Modules in here import Numba and its compiler, so they are imported where they are used, inside functions; `import
chainrule` brings in none of them. Each kernel stands beside what it computes in plain NumPy: its reference, which the
tests hold it against with the compiler on and off.
"""
