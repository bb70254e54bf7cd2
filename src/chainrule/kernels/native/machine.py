"""LLVM IR compiled for this machine and loaded: `address_of(text)` is the address of its function `f`.

Compiled code is kept on disk (`cache`), keyed by the hash of the IR, LLVM's version and the processor. Within a
process, equal texts share one function.
"""

import functools
import hashlib
import os
import threading
from typing import Any

from chainrule._version import __version__

from .cache import cache

LEVEL = 3
"""How much LLVM optimises: from 2 on loops run on vectors."""
GLUE = 0
"""The same for code that only calls other code: optimising the thread pool's takes longer than a small network's."""


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
        self.loaded: dict[str, Any] = {}
        self.lock = threading.RLock()

    def _target_machine(self, level: int) -> Any:
        return self.target.create_target_machine(
            cpu=self.cpu, features=self.features, opt=level, reloc="default", codemodel="jitdefault", jit=True
        )

    def optimised(self, text: str, level: int) -> tuple[Any, Any]:
        """Return the text as an optimised LLVM module, and its target machine."""
        machine = self._target_machine(level)
        return _optimised(self.llvm, machine, text, level), machine

    def address(self, text: str, level: int) -> int:
        key = hashlib.sha256(f"{level} {self.stamp}\n{text}".encode()).hexdigest()
        with self.lock:
            found = self.loaded.get(key)
        if found is None:
            code = cache().read(key)
            if code is None:
                module, machine = self.optimised(text, level)
                code = machine.emit_object(module)
                cache().write(key, code)
            with self.lock:
                found = self.loaded.get(key) or self._load(key, code)
        return int(found["f"])

    def _load(self, key: str, code: bytes) -> Any:
        library = self.llvm.JITLibraryBuilder().add_object_img(code).add_current_process().export_symbol("f")
        self.loaded[key] = library.link(self.engine, key)
        return self.loaded[key]


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


def address_of(text: str, level: int = LEVEL) -> int:
    """Compile a text if needed and return the address of its function `f`."""
    return _address(text, level)


@functools.cache
def _address(text: str, level: int) -> int:
    return machine().address(text, level)


def assembly_of(text: str) -> str:
    """Return the assembly that a text compiles to on this machine."""
    module, target = machine().optimised(text, LEVEL)
    return str(target.emit_assembly(module))


def assembly_for(text: str, triple: str, cpu: str) -> str:
    """Return the assembly that a text compiles to for another machine, such as aarch64-linux-gnu's neoverse-n1.

    Raises RuntimeError if LLVM does not know the target or the processor.
    """
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, opt=LEVEL, reloc="default")
    return str(target.emit_assembly(_optimised(llvm, target, text, LEVEL)))


def _optimised(llvm: Any, target: Any, text: str, level: int) -> Any:
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = target.triple, str(target.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = options.slp_vectorization = level > 1
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)
    return module
