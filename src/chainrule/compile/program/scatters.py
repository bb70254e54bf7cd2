"""Sums of rows into an array, as a scatter into zeros, which is machine code, and an addition, which fuses."""

from chainrule.rules.arrays.index import IndexAdd, Scatter
from chainrule.rules.elementary.arithmetic import Add

from .program import Instruction, Program, Value, applied


def split_index_add(program: Program) -> None:
    """Split sums of rows at numbers that a program reads, where each row has its number."""
    instructions: list[Instruction] = []
    new: dict[Value, Value] = {}
    for i in program.instructions:
        if not _adds_rows(i):
            instructions.append(i)
            continue
        x, v = i.args
        settings = {"shape": x.shape, "index": i.settings["index"], "unique": False}
        scattered = Instruction(Scatter.name, "op", Scatter.primal, (v,), settings, [], op=Scatter)
        scattered.outputs = [program.value("result", i.outputs[0].array, scattered)]
        added = applied(program, Add, (x, scattered.outputs[0]), {})
        scattered.source = added.source = i.source
        instructions += [scattered, added]
        new[i.outputs[0]] = added.outputs[0]
    program.instructions = instructions
    program.substitute(new)


def _adds_rows(i: Instruction) -> bool:
    if i.kind != "op" or i.op is not IndexAdd or not all(isinstance(x, Value) for x in i.args):
        return False
    (x, v), index = i.args, i.settings["index"]
    if len(index) != 1 or not hasattr(index[0], "dtype") or index[0].dtype.kind not in "iu" or not index[0].ndim:
        return False
    return bool(x.dtype == v.dtype and v.shape == index[0].shape + x.shape[1:])
