"""Results of large ensembles on disk: a Zarr store, one chunk per block of runs, that an interrupted job can go on with.

A block is first written and then marked as done, so whatever kills the job leaves either a whole block or none. Nothing in the
store depends on who wrote it or when.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from asnsim.errors import DataError, MissingExtraError, ModelError

__all__ = ["ResultStore"]

_TEXT = 240  # bytes kept of a message
_SLAB = 2**28  # bytes read at a time for quantiles


def _zarr():
    try:
        import zarr
    except ImportError:
        raise MissingExtraError("zarr", "cluster") from None
    return zarr


class ResultStore:
    """Requested quantities of many runs, on disk.

    Parameters
    ----------
    path : str or Path
        A folder, by convention ``*.zarr``.
    group
        The open Zarr group; use `create` or `open`.

    Attributes
    ----------
    t : ndarray, shape (n_t,)
        Output times, h.
    observables : tuple of str
    n, block : int
        Runs, and runs per block.
    """

    def __init__(self, path: str | Path, group):
        self.path, self._group = Path(path), group
        attributes = dict(group.attrs)
        self.manifest: Mapping[str, object] = attributes["manifest"]
        self.observables = tuple(attributes["observables"])
        self.n, self.block = int(attributes["n"]), int(attributes["block"])
        self.t = group["t"][:]

    @classmethod
    def create(
        cls, path: str | Path, manifest: Mapping[str, object], n: int, block: int, t: np.ndarray, observables: Sequence[str]
    ) -> ResultStore:
        """Make an empty store.

        Raises
        ------
        DataError
            If there is something at that place already.
        """
        zarr, path = _zarr(), Path(path)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise DataError(f"{path}: there is something already; go on with it by resume, or choose another place")
        group = zarr.open_group(str(path), mode="w", zarr_format=2)
        shape = (n, len(t), len(observables))
        make = group.create_array
        make("t", shape=t.shape, chunks=t.shape, dtype="f8")
        group["t"][:] = t
        make("values", shape=shape, chunks=(min(block, n), *shape[1:]), dtype="f8", fill_value=np.nan)
        for name in ("messages", "notes"):
            make(name, shape=(n, _TEXT), chunks=(min(block, n), _TEXT), dtype="u1", fill_value=0)
        make("attempts", shape=(n,), chunks=(min(block, n),), dtype="i8", fill_value=0)
        make("done", shape=(-(-n // block),), chunks=(1,), dtype="u1", fill_value=0)
        known = {"manifest": json.loads(json.dumps(manifest)), "observables": list(observables), "n": n, "block": block}
        group.attrs.update(known | {"whole": True})
        return cls(path, group)

    @classmethod
    def open(cls, path: str | Path, manifest: Mapping[str, object] | None = None, write: bool = False) -> ResultStore:
        """Open a store, and see whether it holds the run that `manifest` describes.

        Raises
        ------
        DataError
            If there is no store, it was never finished being made, or it holds another run.
        """
        zarr, path = _zarr(), Path(path)
        try:
            group = zarr.open_group(str(path), mode="r+" if write else "r")
            if not dict(group.attrs).get("whole"):
                raise KeyError("whole")
        except (FileNotFoundError, KeyError, ValueError):
            raise DataError(f"{path}: this is no store of results; check the name, or remove it and start anew") from None
        for torn in path.rglob("*.partial") if write else ():  # what a kill in the middle of a write leaves
            torn.unlink(missing_ok=True)
        store = cls(path, group)
        wanted = json.loads(json.dumps(manifest)) if manifest else store.manifest
        different = [name for name in wanted if wanted[name] != store.manifest.get(name)]
        if different:
            raise DataError(f"{path}: it holds another run, with other {', '.join(different)}; resume what it was begun with")
        return store

    @property
    def done(self) -> np.ndarray:
        """Whether each block is there, shape (n_blocks,)."""
        return self._group["done"][:].astype(bool)

    def rows(self, block: int) -> slice:
        """Return which runs a block holds."""
        return slice(block * self.block, min((block + 1) * self.block, self.n))

    def write(self, block: int, values: np.ndarray, messages: Sequence[str], notes: Sequence[str], attempts: np.ndarray) -> None:
        """Write a block and mark it as done."""
        rows = self.rows(block)
        self._group["values"][rows] = values
        for name, texts in (("messages", messages), ("notes", notes)):
            coded = np.zeros((len(texts), _TEXT), dtype="u1")
            for k, text in enumerate(texts):
                raw = np.frombuffer(text.encode()[:_TEXT], dtype="u1")
                coded[k, : raw.size] = raw
            self._group[name][rows] = coded
        self._group["attempts"][rows] = attempts
        self._group["done"][block] = 1

    # ---- reading ---------------------------------------------------------------------------------------------------
    def __getitem__(self, name: str) -> np.ndarray:
        """Return one observable of all runs, shape (n, n_t); NaN for what failed or is not there yet."""
        return self._group["values"][:, :, self._place(name)]

    def _place(self, name: str) -> int:
        if name not in self.observables:
            raise ModelError(f"'{name}' was not asked for; {self.path.name} holds {', '.join(self.observables)}")
        return self.observables.index(name)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the rows and values (n_rows, n_t, n_obs) of one block after the other."""
        for block in np.flatnonzero(self.done):
            rows = self.rows(int(block))
            yield rows, self._group["values"][rows]

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the `messages` of failed runs, or the `notes`, of all runs."""
        coded = self._group[name][:]
        return tuple(bytes(row).rstrip(b"\0").decode(errors="ignore") if row[0] else "" for row in coded)

    @property
    def success(self) -> np.ndarray:
        """Whether each run is there and reached the end, shape (n,)."""
        there = np.zeros(self.n, dtype=bool)
        for block in np.flatnonzero(self.done):
            rows = self.rows(int(block))
            there[rows] = self._group["messages"][rows, 0] == 0
        return there

    def quantiles(self, name: str, levels: Sequence[float] = (0.05, 0.5, 0.95)) -> np.ndarray:
        """Return quantiles over the runs that succeeded, shape (n_levels, n_t), reading a slab of times at a time."""
        place, chosen = self._place(name), self.success
        if not chosen.any():
            raise ModelError(f"no run in {self.path.name} succeeded, so '{name}' has no quantiles")
        width = max(1, _SLAB // (8 * self.n))
        found = []
        for first in range(0, len(self.t), width):
            slab = self._group["values"][:, first : first + width, place]
            found.append(np.quantile(slab[chosen], levels, axis=0))
        return np.concatenate(found, axis=1)
