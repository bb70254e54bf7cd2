"""Loops over elements, written on vectors: what LLVM's loop vectoriser does, in a tenth of its time.

The body of such a loop is straight code whose arrays are indexed by the loop's number plus something that stays the
same. Here it is written again for as many elements as a vector has: what stays the same moves before the loop, sums get
vectors of their own, and what is left over at the end runs in the first lanes of a vector where the processor has
masks, else element by element. LLVM then needs few passes (`machine.EXPLICIT`).

Where nobody can make vectors of a loop it stays as it is. Where LLVM may know more, such as for elements that are
apart, the whole function is left to it. `bodies` reads the lines that are written again here, `nests` goes through a
function's loops.
"""

from dataclasses import dataclass

from .bodies import BITS, Copy, NotWidened, Reading
from .code import Loop, Update, plain

COLUMNS = 1024
"""Sums of up to so many columns stay in registers over the rows; of more, going along the rows is as fast."""
FEW, MANY = 10, 20
"""Up to so many instructions a loop works on four vectors at a time, and on two."""


@dataclass(frozen=True)
class Target:
    """What loops are written for."""

    bytes: int
    """How long a vector is."""
    has_masks: bool
    """Whether loads and stores of a vector's first lanes are instructions."""


class Widening(Reading):
    """One loop, read and written again."""

    def __init__(self, loop: Loop, roots: dict[str, str], target: Target) -> None:
        super().__init__(loop, roots)
        self.target = target
        self.declared: set[str] = set()
        self.first: list[str] = []
        self._spread: dict[tuple[str, str, int], str] = {}
        self._ready: list[str] = []
        size = max(self.body.sizes, default=0)
        if not size:
            raise NotWidened("no array")
        self.lanes = target.bytes * 8 // size

    @property
    def adds_up_columns(self) -> bool:
        """Whether a few elements are read and written at places that depend on nothing but the loop's number."""
        first, last = self.loop.begin.value, self.loop.end.value
        if first is None or last is None or last - first > COLUMNS:
            return False
        pointers = self.body.pointers
        written = {pointers[line.rsplit(", ptr ", 1)[1]] for line in self._stored}
        read = {pointers[at] for at in self._loaded}
        return any(not offset for _, offset, _ in read & written)

    def spread(self, name: str, kind: str, lanes: int) -> str:
        """Return the name of a vector that has a number which stays the same in every lane."""
        if not name.startswith("%"):
            return f"splat ({kind} {name})"
        if (name, kind, lanes) not in self._spread:
            made, wide = f"%{self.name}.s{len(self._spread)}", f"<{lanes} x {kind}>"
            self._ready.append(f"  {made}.0 = insertelement {wide} poison, {kind} {name}, i64 0")
            zeros = f"<{lanes} x i32> zeroinitializer"
            self._ready.append(f"  {made} = shufflevector {wide} {made}.0, {wide} poison, {zeros}")
            self._spread[name, kind, lanes] = made
        return self._spread[name, kind, lanes]

    def load(self, c: Copy, kind: str, name: str, at: str) -> None:
        """Load a vector."""
        wide, size = c.kind(kind), BITS[kind] // 8
        if not c.mask:
            c.add(f"{name} = load {wide}, ptr {c.address(at)}, align {size}")
            return
        called, mask = f"@llvm.masked.load.v{c.lanes}{_short(kind)}.p0", c.kind("i1")
        self.declared.add(f"declare {wide} {called}(ptr, i32, {mask}, {wide})")
        given = f"ptr {c.address(at)}, i32 {size}, {mask} {c.mask}, {wide} zeroinitializer"
        c.add(f"{name} = call {wide} {called}({given})")

    def store(self, c: Copy, kind: str, value: str, at: str) -> None:
        """Store a vector."""
        wide, size = c.kind(kind), BITS[kind] // 8
        if not c.mask:
            c.add(f"store {wide} {value}, ptr {c.address(at)}, align {size}")
            return
        called, mask = f"@llvm.masked.store.v{c.lanes}{_short(kind)}.p0", c.kind("i1")
        self.declared.add(f"declare void {called}({wide}, ptr, i32, {mask})")
        c.add(f"call void {called}({wide} {value}, ptr {c.address(at)}, i32 {size}, {mask} {c.mask})")

    def collect(self, c: Copy, number: int) -> None:
        """Add a vector to a sum's, or keep the larger elements."""
        update = self.body.updates[number]
        wide, mask, at = f"<{self.lanes} x {update.kind}>", f"<{self.lanes} x i1>", self._place(number, c.number)
        made = f"%{self.name}.u{number}{c.suffix}"
        value = c.vector(update.term, update.kind)
        if c.lanes < self.lanes:
            part = c.kind(update.kind)
            places = ", ".join(f"i32 {min(k, c.lanes)}" for k in range(self.lanes))
            given = f"{part} {value}, {part} {self._neutral(update)}, <{self.lanes} x i32> <{places}>"
            c.add(f"{made}.3 = shufflevector {given}")
            value = f"{made}.3"
        c.add(f"{made}.0 = load {wide}, ptr {at}")
        for line in update.instructions(f"{made}.1", f"{made}.0", value, wide, mask):
            c.add(line)
        if c.mask:
            c.add(f"{made}.2 = select {mask} {c.mask}, {wide} {made}.1, {wide} {made}.0")
        c.add(f"store {wide} {made}.{2 if c.mask else 1}, ptr {at}")

    def _place(self, number: int, copy: int) -> str:
        return f"%{self.name}.a{number}.{copy}"

    def _neutral(self, update: Update) -> str:
        return "zeroinitializer" if update.is_sum else f"splat ({update.kind} {-(1 << BITS[update.kind] - 1)})"

    def _written(self, copy: Copy) -> list[str]:
        for line in self.body.lines:
            line.write(copy)
        return copy.text

    def write(self) -> list[str]:
        """Return the lines of the whole loop."""
        end = [f"  br label %{self.name}.end", f"{self.name}.end:"]
        first, last = self.loop.begin.value, self.loop.end.value
        if first is None or last is None:
            copies = self._copies(None)
            inside = [*self._whole(copies), *self._rest()]
            before = [f"  %{self.name}.some = icmp slt i64 {self.loop.begin}, {self.loop.end}"]
            before += [f"  br i1 %{self.name}.some, label %{self.name}.ready, label %{self.name}.end"]
            before += [f"{self.name}.ready:"]
        else:
            count, before = int(last) - int(first), []
            if count <= 1:
                once = [f"  {self.index} = add i64 {first}, 0", *plain(self.loop.lines)]
                return once * count + end if count == 1 else end
            self.lanes = min(self.lanes, 1 << (count - 1).bit_length())
            copies = self._copies(count)
            inside = self._counted(copies, int(first), count)
        return [*before, *self._ready_lines(copies), *inside, *self._totals(copies), *end]

    def _copies(self, count: int | None) -> int:
        copies = 4 if self._size <= FEW else 2 if self._size <= MANY else 1
        while count is not None and copies > 1 and copies * self.lanes > count:
            copies //= 2
        return copies

    @property
    def _size(self) -> int:
        """How many instructions it has besides those that compute addresses."""
        return sum(line.type != "ptr" and line.name not in self.body.near for line in self.body.lines)

    def _ready_lines(self, copies: int) -> list[str]:
        """Return what comes before the loop: what stays the same, and sums of nothing."""
        lines = [*self.body.before, *self._ready]
        for number, update in enumerate(self.body.updates):
            wide = f"<{self.lanes} x {update.kind}>"
            for copy in range(copies):
                at = self._place(number, copy)
                self.first.append(f"  {at} = alloca {wide}")
                lines.append(f"  store {wide} {self._neutral(update)}, ptr {at}")
        return lines

    def _vectors(self, copies: int, at: str, mark: str, lanes: int = 0) -> list[str]:
        """Return the lines for elements that follow one another from a number on: a few vectors."""
        lines, width = [], lanes or self.lanes
        for copy in range(copies):
            here = at
            if copy:
                here = f"%{self.name}.{mark}{copy}.i"
                lines.append(f"  {here} = add i64 {at}, {copy * width}")
            made = Copy(self, f".{mark}{copy}", here, width)
            made.number = copy
            lines += self._written(made)
        return lines

    def _repeated(self, copies: int, begin: str, stop: str, mark: str) -> list[str]:
        """Return a loop over whole vectors, of which there is at least one."""
        name, step = f"{self.name}.{mark}", copies * self.lanes
        return [
            f"  br label %{name}.enter",
            f"{name}.enter:",
            f"  br label %{name}.loop",
            f"{name}.loop:",
            f"  %{name} = phi i64 [ {begin}, %{name}.enter ], [ %{name}.next, %{name}.loop ]",
            *self._vectors(copies, f"%{name}", mark),
            f"  %{name}.next = add nuw nsw i64 %{name}, {step}",
            f"  %{name}.on = icmp slt i64 %{name}.next, {stop}",
            f"  br i1 %{name}.on, label %{name}.loop, label %{name}.over",
            f"{name}.over:",
        ]

    def _whole(self, copies: int) -> list[str]:
        """Return the loops over whole vectors from the beginning on: of a few at a time, and one at a time."""
        lines, begin = [], str(self.loop.begin)
        for some, mark in ((copies, "w"), (1, "m"))[copies == 1 :]:
            name = f"{self.name}.{mark}"
            lines += [
                f"  %{name}.count = sub i64 {self.loop.end}, {begin}",
                f"  %{name}.whole = and i64 %{name}.count, {-some * self.lanes}",
                f"  %{name}.stop = add i64 {begin}, %{name}.whole",
                f"  %{name}.any = icmp slt i64 {begin}, %{name}.stop",
                f"  br i1 %{name}.any, label %{name}.yes, label %{name}.no",
                f"{name}.yes:",
                *self._repeated(some, begin, f"%{name}.stop", mark),
                f"  br label %{name}.no",
                f"{name}.no:",
            ]
            begin = f"%{name}.stop"
        return lines

    def _rest(self) -> list[str]:
        """Return what is done with the elements behind the last whole vector: fewer than one has."""
        at, last, name = f"%{self.name}.m.stop", self.loop.end, self.name
        if not self.target.has_masks:
            return self._one_by_one(at)
        few = "i8" if self.lanes > 32 else "i32"
        wide, steps = f"<{self.lanes} x {few}>", ", ".join(f"{few} {k}" for k in range(self.lanes))
        zeros = f"<{self.lanes} x i32> zeroinitializer"
        part = Copy(self, ".t", at, self.lanes, f"%{name}.mask")
        return [
            f"  %{name}.left = sub i64 {last}, {at}",
            f"  %{name}.more = icmp sgt i64 %{name}.left, 0",
            f"  br i1 %{name}.more, label %{name}.part, label %{name}.done",
            f"{name}.part:",
            f"  %{name}.few = trunc i64 %{name}.left to {few}",
            f"  %{name}.few.0 = insertelement {wide} poison, {few} %{name}.few, i64 0",
            f"  %{name}.few.1 = shufflevector {wide} %{name}.few.0, {wide} poison, {zeros}",
            f"  %{name}.mask = icmp ult {wide} <{steps}>, %{name}.few.1",
            *self._written(part),
            f"  br label %{name}.done",
            f"{name}.done:",
        ]

    def _one_by_one(self, begin: str) -> list[str]:
        """Return the loop from a number on as it was."""
        kept = [line for k, line in enumerate(self.loop.lines) if k not in self.body.hoisted]
        rest = self.loop.around(plain(kept), begin, f"{self.name}.rest", "done")
        return [f"  br label %{self.name}.rest", f"{self.name}.rest:", *rest]

    def _counted(self, copies: int, first: int, count: int) -> list[str]:
        """Return the loop where it is known how many elements there are."""
        step = copies * self.lanes
        done = count // step * step
        lines = self._vectors(copies, str(first), "w") if done == step else []
        if done > step:
            lines = self._repeated(copies, str(first), str(first + done), "w")
        whole = (count - done) // self.lanes
        lines += self._vectors(whole, str(first + done), "m")
        done += whole * self.lanes
        left = count - done
        if left and self.target.has_masks and left.bit_count() * self._size > FEW:
            mask = ", ".join(f"i1 {'true' if k < left else 'false'}" for k in range(self.lanes))
            return lines + self._written(Copy(self, ".t", str(first + done), self.lanes, f"<{mask}>"))
        if left and left.bit_count() * self._size > 2 * MANY:
            return lines + self._one_by_one(str(first + done))
        while left:
            lanes = 1 << left.bit_length() - 1
            lines += self._vectors(1, str(first + done), f"p{lanes}.", lanes)
            done, left = done + lanes, left - lanes
        return lines

    def _totals(self, copies: int) -> list[str]:
        """Return what adds the lanes of the sums' vectors to the sums."""
        lines = []
        for number, update in enumerate(self.body.updates):
            wide, mask, made = f"<{self.lanes} x {update.kind}>", f"<{self.lanes} x i1>", f"%{self.name}.f{number}"
            lines.append(f"  {made}.0 = load {wide}, ptr {self._place(number, 0)}")
            for copy in range(1, copies):
                lines.append(f"  {made}.l{copy} = load {wide}, ptr {self._place(number, copy)}")
                given = f"{made}.{copy}", f"{made}.{copy - 1}", f"{made}.l{copy}", wide, mask
                lines += (f"  {line}" for line in update.instructions(*given))
            called = f"@llvm.vector.reduce.{'fadd' if update.is_sum else 'smax'}.v{self.lanes}{_short(update.kind)}"
            zero = f"{update.kind} 0.0, " if update.is_sum else ""
            self.declared.add(f"declare {update.kind} {called}({f'{update.kind}, ' if update.is_sum else ''}{wide})")
            flags = "reassoc nsz " if update.is_sum else ""
            lines.append(f"  {made} = call {flags}{update.kind} {called}({zero}{wide} {made}.{copies - 1})")
            lines.append(f"  {made}.b = load {update.kind}, ptr {update.variable}")
            lines += (f"  {x}" for x in update.instructions(f"{made}.c", f"{made}.b", made, update.kind, "i1"))
            lines.append(f"  store {update.kind} {made}.c, ptr {update.variable}")
        return lines


def _short(kind: str) -> str:
    return {"float": "f32", "double": "f64"}.get(kind, kind)
