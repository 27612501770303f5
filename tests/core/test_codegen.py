"""Compiled kernels against the graph, and the disk cache: hit, rebuilt, never trusted."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from asnsim import codegen
from asnsim.codegen import CompiledSystem, compile_system
from asnsim.equations import build_equations
from asnsim.library import list_recipes, load_model
from asnsim.solvers._kernels import python_callable

#: Engines are kept to the end of the process: freeing a second one once crashed (see the test that frees two).
KEPT = []


def point(system, model, seed=0):
    draw = np.random.default_rng(seed)
    x, c = system.arrays(model)
    x = np.where(x == 0, 0.2, x) * np.exp(draw.uniform(-0.5, 0.5, x.size))
    for name, top in (("trna_asn", 0.9 * model.parameters["trna_total"].value if "trna_total" in model.parameters else 0), ("atf4", None)):
        if name in system.states:
            i = system.states.index(name)
            x[i] = min(x[i], top) if top else x[i] + 1.0
    return x, c


def call(address, t, x, c, shape):
    out = np.zeros(shape)
    python_callable(address)(t, np.ascontiguousarray(x), np.ascontiguousarray(c), out)
    return out


@pytest.mark.parametrize("recipe", list_recipes())
def test_kernels_agree_with_the_graph(recipe):
    model = load_model(recipe)
    system = build_equations(model)
    theta = (*system.constants[::9], system.states[0])
    selected = tuple(list(model.rules)[::3]) + (system.states[1], model.reactions[0].id if model.reactions else system.states[0])
    compiled = compile_system(system, theta, selected)
    x, c = point(system, model)
    n, m = system.n, len(theta)

    def dense(entries, shape):
        out = np.zeros(shape)
        nodes = system.graph.evaluate(list(entries.values()), 1.5, x, c)
        for (i, j), v in zip(entries, nodes, strict=True):
            out[i, j] = v
        return out

    columns = [system.constants.index(name) if name in system.constants else -1 - k for k, name in enumerate(theta)]
    roots = [system.observable(name) for name in selected]
    expected = {
        "rhs": np.array(system.graph.evaluate(system.rhs, 1.5, x, c), float),
        "jac": dense(system.jacobian(), (n, n)),
        "dfdp": dense(system.parameter_derivatives(system.rhs, columns), (n, m)),
        "obs": np.array(system.graph.evaluate(list(system.observables.values()), 1.5, x, c), float),
        "obs_x": dense(system.state_derivatives(roots), (len(roots), n)),
        "obs_p": dense(system.parameter_derivatives(roots, columns), (len(roots), m)),
    }
    for name, want in expected.items():
        found = call(getattr(compiled, name), 1.5, x, compiled.prepare(c), want.shape)
        assert np.isfinite(want).all()
        np.testing.assert_allclose(found, want, rtol=1e-13, atol=0, err_msg=name)
    assert not call(compiled.dfdp, 1.5, x, c, (n, m))[:, -1].any(), "an initial value has no explicit derivative"


def test_kernels_do_not_write_into_their_inputs():
    model = load_model("teaching")
    system = build_equations(model)
    x, c = system.arrays(model)
    before = x.copy(), c.copy()
    compiled = compile_system(system)
    call(compiled.rhs, 0.0, x, compiled.prepare(c), system.n)
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
    written, write = [], codegen._write_object
    monkeypatch.setattr(codegen, "_write_object", lambda key, body: (written.append(key), write(key, body)))
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
        return call(compiled.rhs, 0.0, x, compiled.prepare(c), system.n)

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
        "import asnsim; from asnsim import codegen; from asnsim.equations import build_equations\n"
        "def refuse(*a): raise SystemExit('compiled again')\n"
        "codegen._write_object = refuse\n"
        "read = codegen._read_object; hits = []\n"
        "codegen._read_object = lambda key: hits.append(read(key)) or hits[-1]\n"
        "codegen.compile_system(build_equations(asnsim.load_model('teaching')))\n"
        "assert hits and hits[0] is not None, 'missed'\n"
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
    assert codegen._read_object(written[0]) is None and codegen._cache_folder() is None


def test_no_cache_is_no_obstacle(cache, teaching, tmp_path, monkeypatch):
    blocked = tmp_path / "a_file"
    blocked.write_text("")
    monkeypatch.setenv("ASNSIM_CACHE", str(blocked))
    np.testing.assert_allclose(teaching[1](), teaching[2], rtol=1e-13)


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
