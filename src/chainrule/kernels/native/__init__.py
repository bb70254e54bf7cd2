"""Machine code from Python arithmetic by LLVM alone: in milliseconds, where Numba's front end takes a second.

`code` writes a function as LLVM IR, line by line. Its numbers are `Symbol`s: operators, NumPy's functions and those of
`chainrule.kernels.functions` emit instructions for them instead of computing. `machine` compiles the IR and loads the
result, `cache` keeps it on disk, and `tasks` calls it.
"""
