"""LLVM IR compiled for this machine and loaded: `address_of(text)` is the address of its function `f`.

Compiled code is kept on disk (`cache`), keyed by the hash of the IR, LLVM's version and the processor. Within a
process, equal texts share one function.
"""

import functools
import hashlib
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chainrule._version import __version__

from .cache import cache
from .widening import Target

LEVEL = 3
"""How much LLVM optimises: from 2 on loops run on vectors."""
GLUE = 0
"""The same for code that only calls other code: optimising the thread pool's takes longer than a small network's."""
EXPLICIT = -1
"""The same for code that says itself what a vector is and which sums stay in registers: `PASSES` alone.

It is as fast as at any level, and compiles in a third of the time."""
PASSES = ("sroa", "simplify_cfg", "loop_rotate", "instruction_combine", "simplify_cfg")
"""Variables into registers, blocks joined, loops that test at their end, simpler instructions, and blocks once more."""
WRITING = 2
"""How much is done for explicit code where instructions are chosen and registers assigned."""
WIDENED = -2
"""As `EXPLICIT`, with addresses left as they are written: for loops that `widening` has written."""
EXPLICITLY = "; explicit"
"""The line that a text begins with which is such code, where its task does not say how much to do."""


DEFINED = re.compile(r"^define [^@]*@(\w+)\(", re.MULTILINE)
"""What finds the names of the functions of a text."""
DIGITS = 32
"""How much of a text's hash the names of its functions hold."""

TRIED = 22
"""The newest LLVM whose options were tried."""
LONGEST = 64
"""How many bytes the longest vectors have; processors with such have masks for them."""
CPU = "CHAINRULE_CPU"
"""The variable that names a processor, in LLVM's words (`haswell`, `x86-64-v3`), for which code is made instead."""


class _Machine:
    """The compiler for this processor, and the code compiled so far."""

    def __init__(self) -> None:
        import llvmlite
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.llvm = llvm
        self.cpu, self.features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
        if os.environ.get(CPU):
            # Exactly the features of the named processor, none of the others that this one has.
            self.cpu, self.features = os.environ[CPU], ""
        self.target = llvm.Target.from_default_triple()
        self.stamp = f"{__version__} {llvmlite.__version__} {self.target.triple} {self.cpu} {self.features}"
        self.engine = llvm.create_lljit_compiler(self._target_machine(3))
        self.loaded: dict[str, int] = {}
        """The addresses of functions, by the hash of their text."""
        self._targets: dict[int, Any] = {}
        """What writes code at a level: making one takes as long as writing a small function without optimising."""
        self._libraries: list[Any] = []
        self.lock = threading.RLock()

    def _target_machine(self, level: int) -> Any:
        return self.target.create_target_machine(
            cpu=self.cpu, features=self.features, opt=level, reloc="default", codemodel="jitdefault", jit=True
        )

    def optimised(self, text: str, level: int) -> tuple[Any, Any]:
        """Return the text as an optimised LLVM module, and its target machine."""
        machine = self._targets.get(level)
        if machine is None:
            made = self._target_machine(WRITING if level < 0 else level)
            machine = self._targets.setdefault(level, made)
        return _optimised(self.llvm, machine, text, level), machine

    def address(self, text: str, level: int) -> int:
        """Return the address of a text's function, which is compiled by itself if it is not there."""
        self.make_ready([text], level)
        return self.loaded[self._key(text, level)]

    def make_ready(self, texts: Iterable[str], level: int) -> None:
        """Load texts, and compile those that are not kept as one, which takes a third less time than one by one."""
        keys = {self._key(text, level): text for text in texts}
        self._find(keys)
        missing = {key: text for key, text in keys.items() if key not in self.loaded}
        if missing:
            self._make(missing, level)

    def _key(self, text: str, level: int) -> str:
        how = (level, *PASSES) if level < 0 else level
        return hashlib.sha256(f"joined {how} {self.stamp}\n{text}".encode()).hexdigest()

    def _find(self, keys: Iterable[str]) -> None:
        """Load what is kept on disk."""
        groups: dict[str, list[str]] = {}
        for key in keys:
            if key not in self.loaded and (name := cache().read(key)) is not None:
                groups.setdefault(name.decode(), []).append(key)
        for group, some in groups.items():
            if (code := cache().read(group)) is not None:
                self._load(group, code, some)

    def _make(self, texts: dict[str, str], level: int) -> None:
        """Compile texts as one, and keep the code: in one file, which those of the single texts name."""
        module, machine = self.optimised(joined(texts), level)
        with self._addresses_as_written(level == WIDENED):
            code: bytes = machine.emit_object(module)
        group = hashlib.sha256("".join(sorted(texts)).encode()).hexdigest()
        cache().write(group, code)
        for key in texts:
            cache().write(key, group.encode())
        self._load(group, code, texts)

    @contextmanager
    def _addresses_as_written(self, they_are: bool) -> Iterator[None]:
        """Let LLVM leave addresses as they are in explicit code: rewriting them takes a quarter of the time.

        The option is the whole process's, so one thread writes at a time: what is kept would else depend on the others.
        LLVM ends the process at an option that it does not know, so none is given to one newer than those tried.
        """
        they_are = they_are and self.llvm.llvm_version_info[0] <= TRIED
        with self.lock:
            if they_are:
                self.llvm.set_option("", "-disable-lsr=1")
            try:
                yield
            finally:
                if they_are:
                    self.llvm.set_option("", "-disable-lsr=0")

    def _load(self, group: str, code: bytes, keys: Iterable[str]) -> None:
        with self.lock:
            new = [key for key in keys if key not in self.loaded]
            if not new:
                return
            library = self.llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
            for key in new:
                library.export_symbol(f"f_{key[:DIGITS]}")
            self._libraries.append(library.link(self.engine, f"{group} {len(self._libraries)}"))
            self.loaded.update({key: int(self._libraries[-1][f"f_{key[:DIGITS]}"]) for key in new})


def joined(texts: Mapping[str, str]) -> str:
    r"""Return the texts as one, with the names of their functions made different by their keys.

    >>> print(joined({"1": "define i64 @f() {\n  ret i64 1\n}", "2": "define i64 @f() {\n  ret i64 2\n}"}))
    define i64 @f_1() {
      ret i64 1
    }
    define i64 @f_2() {
      ret i64 2
    }
    """
    declared: dict[str, str] = {}
    bodies = []
    for key, text in texts.items():
        names = re.compile(rf"@({'|'.join(DEFINED.findall(text))})\b")
        lines = text.splitlines()
        declared.update({line.split("(")[0]: line for line in lines if line.startswith("declare ")})
        body = "\n".join(line for line in lines if not line.startswith("declare "))
        bodies.append(names.sub(rf"@\1_{key[:DIGITS]}", body))
    return "\n".join([*declared.values(), *bodies])


_MAKING = threading.Lock()


def machine() -> _Machine:
    """Return the compiler: one, also where several threads ask for the first code at the same moment.

    With a second one, its code would be unloaded while a thread runs it.
    """
    with _MAKING:
        return _only()


@functools.cache
def _only() -> _Machine:
    return _Machine()


def address_of(text: str, level: int | None = None) -> int:
    """Compile a text if needed and return the address of its function `f`; the level is `LEVEL` if none is given."""
    return _address(text, _level(text, level))


def _level(text: str, level: int | None) -> int:
    if level is not None:
        return level
    return WIDENED if LEVEL > 1 and text.startswith(EXPLICITLY) else LEVEL


@functools.cache
def _address(text: str, level: int) -> int:
    return machine().address(text, level)


def make_ready(texts: Iterable[tuple[str, int | None]]) -> None:
    """Compile what is missing of texts, each with how much it is optimised, all of one level together."""
    levels: dict[int, list[str]] = {}
    for text, level in texts:
        levels.setdefault(_level(text, level), []).append(text)
    for level, some in levels.items():
        if len(some) > 1:
            machine().make_ready(some, level)


def assembly_of(text: str) -> str:
    """Return the assembly that a text compiles to on this machine."""
    module, written = machine().optimised(text, _level(text, None))
    return str(written.emit_assembly(module))


@functools.cache
def target() -> Target:
    """Return what loops are written for."""
    found = machine().features.split(",")
    known = [size for name, size in (("+avx512vl", 64), ("+avx", 32)) if name in found]
    size = known[0] if known else _probed()
    return Target(size, has_masks=size == LONGEST)


def _probed() -> int:
    """Return how many bytes a vector has for which LLVM uses one register."""
    kind = "<16 x float>"
    written = assembly_of(f"""define i64 @f(ptr %table, i64 %begin, i64 %end) nounwind {{
  %a = load {kind}, ptr %table, align 4
  %b = fadd {kind} %a, %a
  store {kind} %b, ptr %table, align 4
  ret i64 -1
}}
""")
    return 64 if "zmm" in written else 32 if "ymm" in written else 16


def assembly_for(text: str, triple: str, cpu: str) -> str:
    """Return the assembly that a text compiles to for another machine, such as aarch64-linux-gnu's neoverse-n1.

    Raises RuntimeError if LLVM does not know the target or the processor.
    """
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, opt=LEVEL, reloc="default")
    return str(target.emit_assembly(_optimised(llvm, target, text, _level(text, None))))


def _optimised(llvm: Any, target: Any, text: str, level: int) -> Any:
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = target.triple, str(target.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=max(level, 0))
    options.loop_vectorization = options.slp_vectorization = level > 1
    builder = llvm.create_pass_builder(target, options)
    if level < 0:
        passes = llvm.create_new_module_pass_manager()
        for name in PASSES:
            getattr(passes, f"add_{name}_pass")()
    else:
        passes = builder.getModulePassManager()
    passes.run(module, builder)
    return module
