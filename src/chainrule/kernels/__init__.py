"""The hot rules as machine code on plain arrays: they know nothing of tensors or tapes.

Modules in here import LLVM or Numba, so they are imported where they are used, inside functions; `import chainrule`
brings in none of them. Each kernel has a reference in plain NumPy, with which the tests compare it.
"""
