"""From LLVM IR to machine code: two levels of effort, cached on disk by content.

The first code of a model is made with little effort, in a fifth of a second, so that a new model runs at once; code that is used
again is made anew with more effort, beside the work, and taken by what starts afterwards. Both give the same bits (see
`asnsim.ir`), so nobody's numbers depend on when that happened.

Objects are kept under the user's cache folder by the hash of source, compiler version, processor and level. They are written to a
temporary name and renamed; one that is not ours, or does not match its own checksum, is compiled again.
"""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm
import platformdirs

__all__ = ["Code", "native_lanes"]

QUICK, THOROUGH = 0, 1  # levels of effort, as LLVM's code generator counts them; more makes these kernels no faster
_LOCK = threading.Lock()
_BESIDE = ThreadPoolExecutor(max_workers=1, thread_name_prefix="asnsim-compile")


@cache
def _host() -> tuple[str, str]:
    """Name and features of this processor."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@cache
def native_lanes() -> int:
    """Doubles in one vector register of this processor: trajectories that run side by side at the price of one."""
    features = _host()[1].split(",")
    return 8 if "+avx512f" in features else 4 if "+avx" in features else 2


class Code:
    """Compiled functions of one piece of LLVM IR.

    Parameters
    ----------
    source : str
        The IR.
    thorough : bool
        Whether to wait for the better code at once.

    Notes
    -----
    An address stays valid as long as this object lives, also when better code has come.
    """

    def __init__(self, source: str, thorough: bool = False):
        self._source, self._level = source, None
        self._engines: list[llvm.ExecutionEngine] = []
        self._addresses: dict[str, int] = {}
        self._coming: Future | None = None
        with _LOCK:
            if thorough or _read_object(_key(source, THOROUGH)) is not None:
                self._take(_engine(source, THOROUGH), THOROUGH)
            else:
                self._take(_engine(source, QUICK), QUICK)

    def _take(self, engine: llvm.ExecutionEngine, level: int) -> None:
        self._engines.append(engine)
        self._level, self._addresses = level, {}

    def address(self, name: str) -> int:
        """Return the address of a function; 0 if there is none of that name."""
        known = self._addresses
        if name not in known:
            known[name] = self._engines[-1].get_function_address(name)
        return known[name]

    @property
    def version(self) -> int:
        """How often the functions have been compiled."""
        return len(self._engines)

    @property
    def is_thorough(self) -> bool:
        """Whether the better code is in use."""
        return self._level == THOROUGH

    def improve(self, wait: bool = False) -> None:
        """Have better code made, beside the caller or before this returns."""
        if self.is_thorough:
            return
        if wait:
            self._improve()
        elif self._coming is None:
            self._coming = _BESIDE.submit(self._improve)

    def _improve(self) -> None:
        with _LOCK:
            if not self.is_thorough:
                self._take(_engine(self._source, THOROUGH), THOROUGH)

    def __reduce__(self):
        raise TypeError("compiled kernels hold addresses of this process; send the network and compile there")


def _engine(source: str, level: int) -> llvm.ExecutionEngine:
    cpu, features = _host()
    # an engine owns the target machine it is given, so each gets its own
    machine = llvm.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=level, jit=True)
    key = _key(source, level)
    stored = _read_object(key)
    module = llvm.parse_assembly(source if stored is None else _EMPTY)
    engine = llvm.create_mcjit_compiler(module, machine)
    if stored is not None:
        engine.add_object_file(llvm.ObjectFileRef.from_data(stored))
    else:
        engine.set_object_cache(lambda _, compiled: _write_object(key, compiled), None)
    engine.finalize_object()
    return engine


_EMPTY = "define void @asnsim_nothing() {\n  ret void\n}"


def _key(source: str, level: int) -> str:
    identity = "|".join([llvmlite.__version__, *_host(), str(level), source])
    return hashlib.sha256(identity.encode()).hexdigest()


# ---- files ---------------------------------------------------------------------------------------------------------------


def _cache_folder() -> Path | None:
    """Return the kernel cache, or None where it cannot be used safely."""
    folder = Path(os.environ.get("ASNSIM_CACHE") or platformdirs.user_cache_dir("asnsim")) / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        owner = folder.stat().st_uid
    except OSError:
        return None
    return folder if not hasattr(os, "getuid") or owner == os.getuid() else None


def _read_object(key: str) -> bytes | None:
    folder = _cache_folder()
    if folder is None:
        return None
    try:
        path = folder / f"{key}.o"
        if hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
            return None
        content = path.read_bytes()
    except OSError:
        return None
    digest, body = content[:32], content[32:]
    return body if hashlib.sha256(key.encode() + body).digest() == digest else None


def _write_object(key: str, body: bytes) -> None:
    folder = _cache_folder()
    if folder is None:
        return
    temporary = folder / f".{key}.{os.getpid()}.{threading.get_ident()}.part"
    try:
        temporary.write_bytes(hashlib.sha256(key.encode() + body).digest() + body)
        os.replace(temporary, folder / f"{key}.o")
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
