"""Compiled kernels against the graph, at every level and in lanes; the disk cache: hit, rebuilt, never trusted."""

import ctypes
import errno
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asnsim import machine
from asnsim.codegen import CompiledSystem, _Core, compile_system
from asnsim.equations import build_equations
from asnsim.ir import BLOCK
from asnsim.library import list_recipes, load_model
from asnsim.machine import Code, native_lanes
from asnsim.solvers._kernels import python_callable

#: Engines are kept to the end of the process: freeing a second one once crashed (see the test that frees two).
KEPT = []


def point(system, model, seed=0):
    draw = np.random.default_rng(seed)
    x, c = system.arrays(model)
    x = np.where(x == 0, 0.2, x) * np.exp(draw.uniform(-0.5, 0.5, x.size))
    total = model.parameters["trna_total"].value if "trna_total" in model.parameters else 0.0
    for i, name in enumerate(system.states):
        if name.startswith("trna_asn"):  # one of four isotopologues, or all
            x[i] = min(x[i], 0.9 * total if "_m0" not in name and "_u13c" not in name and "_n15" not in name else 0.2 * total)
        elif name == "atf4" or name.startswith("atf4_") and "mrna" not in name:
            x[i] += 1.0
    return x, c


def call(address, t, x, c, shape):
    out = np.zeros(shape)
    python_callable(address)(t, np.ascontiguousarray(x), np.ascontiguousarray(c), out)
    return out


def magnitude(graph, roots, t, x, c):
    """What each value is made of: every term taken by its size. Rounding, fused or not, is small against this."""
    values, sizes = {}, {}
    for index in graph.reachable(roots):
        op, *args = graph.nodes[index]
        values[index] = abs(float(graph.evaluate([index], t, x, c)[0]))
        if op in ("add", "sub"):
            sizes[index] = sum(sizes[a] for a in args)
        elif op == "mul":
            sizes[index] = 0.0 if 0.0 in (sizes[args[0]], sizes[args[1]]) else sizes[args[0]] * sizes[args[1]]  # 0 x inf is 0
        elif op == "recip":  # relative error of the argument, kept
            sizes[index] = sizes[args[0]] / values[args[0]] ** 2
        elif op == "less":
            sizes[index] = max(sizes[a] for a in args[2:])
        else:
            sizes[index] = values[index]
    return np.array([sizes[root] for root in roots])


def tables(system):
    jacobian = system.jacobian()
    return {"rhs": list(system.rhs), "jac": list(jacobian.values()), "volumes": list(system.divisors)}


@pytest.mark.parametrize("recipe", list_recipes())
def test_kernels_agree_with_the_graph(recipe):
    model = load_model(recipe)
    system = build_equations(model)
    theta = (*system.constants[::9], system.states[0], f"input:{system.states[1]}")
    selected = tuple(list(model.rules)[::3]) + (system.states[1], model.reactions[0].id if model.reactions else system.states[0])
    compiled = compile_system(system, theta, selected)
    x, c = point(system, model)
    n, m = system.n, len(theta)
    full = compiled.prepare(c)
    assert len(compiled.flow_slots) == 1 and compiled.flow_slots[0] == full.size - 1
    full[compiled.flow_slots[0]] = 2.5

    def agree(name, found, nodes):
        want = np.array(system.graph.evaluate(nodes, 1.5, x, c), float)
        assert np.isfinite(want).all()
        error = np.abs(found - want) / magnitude(system.graph, nodes, 1.5, x, c).clip(1e-300)
        assert error.max() < 1e-13, name

    for name, nodes in (tables(system) | {"selected": [system.observable(one) for one in selected]}).items():
        agree(name, call(compiled.address(name), 1.5, x, full, len(nodes)), nodes)
    places = [system.constants.index(name) for name in theta[:-2]] + [len(system.constants) + 1]
    entries = system.parameter_derivatives(system.rhs, places)
    blocks = call(compiled.address("dfdp"), 1.5, x, full, (-(-m // BLOCK), n, BLOCK))
    found = np.moveaxis(blocks, 0, 1).reshape(n, -1)
    assert not found[:, m:].any(), "the last block is padded with zeros"
    found = found[:, :m]
    assert not found[:, -2].any(), "an initial value has no explicit derivative"
    found[:, -1] /= 2.5
    found = np.delete(found, -2, axis=1)
    agree("dfdp", np.array([found[place] for place in entries]), list(entries.values()))
    found[tuple(np.array(list(entries)).T)] = 0.0
    assert not found.any(), "only structural entries are written"
    assert compiled.address("dfdt") == compiled.address("roots") == 0


@pytest.mark.parametrize("recipe", list_recipes())
def test_levels_and_lanes_give_the_same_bits(recipe):
    """However much effort the compiler made, and whatever the neighbours of a lane are."""
    model = load_model(recipe)
    system = build_equations(model)
    core = _Core(system)
    sources = {"quick": core._source()}
    quick = Code(sources["quick"])
    thorough = Code(sources["quick"], thorough=True)
    KEPT.extend([core, quick, thorough])
    assert thorough.is_thorough and "fast" not in sources["quick"] and "contract" not in sources["quick"]
    width, n = native_lanes(), system.n
    points = [point(system, model, seed) for seed in range(width)]
    columns = [(x, compile_system(system).prepare(c)) for x, c in points]
    xs, cs = (np.ascontiguousarray(np.array(part).T) for part in zip(*columns, strict=True))
    times = np.linspace(0.3, 0.9, width)
    rhs, jac = np.zeros((n, width)), np.zeros((len(core.pattern), width))
    lu, b = np.zeros((core.lu.size + 1, width)), np.ones((n, width))
    lanes(core.lanes().address("rhs_lanes"), times, xs, cs, rhs)
    lanes(core.lanes().address("jac_lanes"), times, xs, cs, jac)
    lanes(core.lanes().address("lu_factor_lanes"), times * 0.01, jac, cs, lu)
    lanes(core.lanes().address("lu_solve_lanes"), times, lu, cs, b)
    for k, (x, c) in enumerate(columns):
        results = []
        for code in (quick, thorough):
            one = {"rhs": call(code.address("rhs"), times[k], x, c, n), "jac": call(code.address("jac"), times[k], x, c, len(core.pattern))}
            one["lu"] = call(code.address("lu_factor"), times[k] * 0.01, one["jac"], c, core.lu.size + 1)
            one["b"] = np.ones(n)
            python_callable(code.address("lu_solve"))(0.0, one["lu"], c, one["b"])
            results.append(one)
        for name, together in (("rhs", rhs), ("jac", jac), ("lu", lu), ("b", b)):
            assert np.isfinite(results[0][name]).all()
            np.testing.assert_array_equal(results[0][name], results[1][name], err_msg=name)
            np.testing.assert_array_equal(results[0][name], together[:, k], err_msg=name)


def lanes(address, t, x, c, out):
    ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)(address)(*(a.ctypes.data for a in (t, x, c, out)))


def test_better_code_comes_beside_and_is_taken(cache):
    code = Code("define double @twice(double %x) {\n  %y = fmul double %x, 2.0\n  ret double %y\n}")
    KEPT.append(code)
    first = code.address("twice")
    assert not code.is_thorough and code.address("missing") == 0
    code.improve()
    code.improve()
    code._coming.result(60)
    assert code.is_thorough and code.address("twice") != first
    for address in (first, code.address("twice")):
        assert ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(address)(1.5) == 3.0
    again = Code(code._source)
    KEPT.append(again)
    assert again.is_thorough, "the better object is taken from the cache at once"


def test_a_system_that_is_used_again_is_improved(one_compartment):
    system = build_equations(one_compartment)
    compiled = CompiledSystem(system)
    KEPT.append(compiled)
    compiled.called()
    assert compiled._core.code._coming is None
    compiled.called()
    if compiled._core.code._coming:
        compiled._core.code._coming.result(60)
    assert compiled._core.code.is_thorough


def test_kernels_do_not_write_into_their_inputs():
    model = load_model("teaching")
    system = build_equations(model)
    x, c = system.arrays(model)
    before = x.copy(), c.copy()
    compiled = compile_system(system)
    call(compiled.address("rhs"), 0.0, x, compiled.prepare(c), system.n)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(c, before[1])


def test_engines_can_be_freed():
    """Was a segmentation fault: every engine owns its target machine, but all are given the same one."""
    code = (
        "import gc\n"
        "from asnsim.codegen import CompiledSystem\n"
        "from asnsim.equations import build_equations\n"
        "from asnsim.library import load_model\n"
        "system = build_equations(load_model('teaching'))\n"
        "first, second = CompiledSystem(system, (), ()), CompiledSystem(system, ('k_efflux',), ())\n"
        "del first, second; gc.collect(); print('alive')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.strip() == "alive", f"exit {done.returncode}: {done.stderr[-300:]}"


# ---- cache -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of its own, and the list of objects written to it."""
    monkeypatch.setenv("ASNSIM_CACHE", str(tmp_path))
    written, write = [], machine._write_object
    monkeypatch.setattr(machine, "_write_object", lambda key, body: (written.append(key), write(key, body)))
    return tmp_path / "kernels", written


def compiled_anew(system):
    """Compile past the memory caches."""
    system.cache.pop("core", None)
    KEPT.append(CompiledSystem(system, (), ()))
    return KEPT[-1]


@pytest.fixture
def teaching():
    """The teaching model: its system, a function that compiles it anew and evaluates, and what must come out."""
    model = load_model("teaching")
    system = build_equations(model)
    x, c = system.arrays(model)
    expected = np.array(system.graph.evaluate(system.rhs, 0.0, x, c), float)

    def evaluate():
        compiled = compiled_anew(system)
        return call(compiled.address("rhs"), 0.0, x, compiled.prepare(c), system.n)

    return system, evaluate, expected


def objects(folder):
    return sorted(folder.glob("*.o"))


def test_second_object_hits_the_cache(cache, teaching):
    folder, written = cache
    _, rhs, expected = teaching
    np.testing.assert_allclose(rhs(), expected, rtol=1e-13)
    assert len(written) == 1 and len(objects(folder)) == 1
    stamp = objects(folder)[0].stat().st_mtime_ns
    np.testing.assert_allclose(rhs(), expected, rtol=1e-13)
    assert len(written) == 1 and objects(folder)[0].stat().st_mtime_ns == stamp
    assert not list(folder.glob(".*")), "no part files are left"


def test_second_process_hits_the_cache(cache, teaching):
    """Under another hash seed: the source must not depend on the order of sets."""
    folder, _ = cache
    teaching[1]()
    code = (
        "import asnsim; from asnsim import codegen, machine; from asnsim.equations import build_equations\n"
        "def refuse(*a): raise SystemExit('compiled again')\n"
        "machine._write_object = refuse\n"
        "read = machine._read_object; hits = []\n"
        "machine._read_object = lambda key: hits.append(read(key)) or hits[-1]\n"
        "codegen.compile_system(build_equations(asnsim.load_model('teaching')))\n"
        "assert hits and hits[-1] is not None, 'missed'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": "77"}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(objects(folder)) == 1


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b[:40], lambda b: b"", lambda b: bytes(32) + b[32:], lambda b: b + b"\0"]
)
def test_spoilt_files_are_compiled_again(cache, teaching, spoil):
    folder, written = cache
    _, rhs, expected = teaching
    rhs()
    path = objects(folder)[0]
    good = path.read_bytes()
    path.write_bytes(spoil(good))
    np.testing.assert_allclose(rhs(), expected, rtol=1e-13)
    assert len(written) == 2
    body = path.read_bytes()
    assert hashlib.sha256(path.stem.encode() + body[32:]).digest() == body[:32]


def test_a_sound_object_of_another_model_is_not_taken(cache, teaching):
    """Renamed to this model's key, or with a checksum that does not cover the key, it is foreign."""
    folder, written = cache
    _, rhs, expected = teaching
    other = load_model("teaching", without="teaching_response")
    compiled_anew(build_equations(other))
    foreign = objects(folder)[0].read_bytes()
    rhs()
    mine = next(path for path in objects(folder) if path.stem == written[-1])
    for content in (foreign, hashlib.sha256(foreign[32:]).digest() + foreign[32:]):
        mine.write_bytes(content)
        np.testing.assert_allclose(rhs(), expected, rtol=1e-13)
        assert mine.read_bytes() != content


def test_a_file_of_another_owner_is_not_read(cache, teaching, monkeypatch):
    folder, written = cache
    teaching[1]()
    monkeypatch.setattr(os, "getuid", lambda: os.stat(folder).st_uid + 1)
    assert machine._read_object(written[0]) is None and machine._cache_folder() is None


def test_no_cache_is_no_obstacle(cache, teaching, tmp_path, monkeypatch):
    blocked = tmp_path / "a_file"
    blocked.write_text("")
    monkeypatch.setenv("ASNSIM_CACHE", str(blocked))
    np.testing.assert_allclose(teaching[1](), teaching[2], rtol=1e-13)


def test_a_folder_that_cannot_be_written_is_no_obstacle(cache, teaching, monkeypatch):
    """As on a read-only disk: what is there is read, what is missing is compiled for this process."""
    folder, _ = cache
    _, rhs, expected = teaching
    folder.mkdir(parents=True)

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "read-only file system")

    for target, name in ((Path, "write_bytes"), (os, "replace"), (Path, "unlink")):
        monkeypatch.setattr(target, name, refuse)
    np.testing.assert_allclose(rhs(), expected, rtol=1e-13)
    assert not objects(folder)


def test_a_kill_in_the_middle_of_writing_leaves_nothing_wrong(cache, teaching):
    """The process dies after half the bytes: the next one finds no object, or a whole one, never a part."""
    folder, _ = cache
    code = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "whole = Path.write_bytes\n"
        "def half(self, data):\n"
        "    whole(self, data[: len(data) // 2]); os.kill(os.getpid(), signal.SIGKILL)\n"
        "Path.write_bytes = half\n"
        "import asnsim; from asnsim.codegen import compile_system; from asnsim.equations import build_equations\n"
        "compile_system(build_equations(asnsim.load_model('teaching')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert not objects(folder) and len(list(folder.glob(".*.part"))) == 1
    np.testing.assert_allclose(teaching[1](), teaching[2], rtol=1e-13)
    assert len(objects(folder)) == 1


def test_two_processes_may_compile_the_same_model_at_once(cache, teaching):
    folder, _ = cache
    code = (
        "import sys, numpy as np, asnsim\n"
        "sys.stdin.readline()\n"
        "print(repr(asnsim.simulate(asnsim.load_model('teaching'), until=1.0, times=[1.0])['asn_c'][-1]))\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for one in both:
        one.stdin.write("go\n")
        one.stdin.flush()
    answers = [one.communicate(timeout=180) for one in both]
    assert all(one.returncode == 0 for one in both), [error for _, error in answers]
    assert answers[0][0] == answers[1][0]
    for path in objects(folder):
        content = path.read_bytes()
        assert hashlib.sha256(path.stem.encode() + content[32:]).digest() == content[:32]
    assert not list(folder.glob(".*")), "no part files are left"


def test_the_folder_is_private(cache, teaching):
    teaching[1]()
    assert cache[0].stat().st_mode & 0o077 == 0


def test_numbers_do_not_recompile():
    a, b = load_model("teaching"), load_model("teaching", "teaching_all")
    assert build_equations(a) is build_equations(b)
    assert compile_system(build_equations(a)) is compile_system(build_equations(b))


def test_compiled_systems_do_not_travel():
    import pickle

    with pytest.raises(TypeError, match="addresses of this process"):
        pickle.dumps(compile_system(build_equations(load_model("teaching"))))
