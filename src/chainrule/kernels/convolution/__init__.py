"""Convolution of plain arrays, as tasks of machine code: `passes` chooses a way and has the functions of arrays.

`tiles` reads images as they lie, laid out flat (`flat`); `points` is for kernels of one element, `depthwise` for one
channel each. With many channels these come innermost (`laying`, `work`): `winograd` (its code in `transformed` and
`transforms`) for 3×3, `columns` (`unfolded`, `unfolding`) for all else.
"""
