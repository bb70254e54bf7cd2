"""Machine code from Python arithmetic, by LLVM alone: in milliseconds, where Numba's front end takes a second.

`code` writes a function as LLVM's text, line by line. Its numbers are `Symbol`s: operators, NumPy's functions and the
functions of `chainrule.kernels.functions` on them write instructions instead of computing. `machine` compiles the text
and loads what came out, `cache` keeps that on disk, `tasks` calls it.
"""
