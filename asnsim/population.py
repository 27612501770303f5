"""Virtual patients: covariates, differences between patients and between doses, antibodies, uncertainty of what is known.

A patient's constant is ``typical * exp(eta)``, eta normal with correlations; from dose to dose an occasion constant becomes
``(1 + effect) exp(kappa) - 1``. Patients are drawn in blocks, each with a seed of its own, so any part of a population is the
same whoever draws it. Within a block normal numbers are stratified: one from each n-th of the distribution, in random order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import ndtri

from asnsim.dosing import Regimen
from asnsim.errors import DataError, ModelError, suggest
from asnsim.network import Network
from asnsim.tables import models_folder, read_tsv
from asnsim.units import unit

__all__ = [
    "BLOCK", "Children", "Occasion", "Population", "ResidualError",
    "antibody_columns", "at_rest", "read_residual", "read_variability",
]  # fmt: skip

#: Patients that are drawn together.
BLOCK = 1000

# Median weight (kg) and height (cm) by age (years): growth charts, from memory.
_AGES = (1, 2, 4, 6, 8, 10, 12, 14, 16, 18)
_WEIGHTS = (10, 12.5, 16.5, 20.5, 25.5, 32, 40, 50, 60, 66)
_HEIGHTS = (75, 87, 102, 115, 128, 138, 150, 163, 172, 175)


@dataclass(frozen=True, slots=True)
class Children:
    """Children with leukaemia: age, sex, weight and body surface.

    Age is log-normal (5.7 years with a range of 1.5-17.1 in the study of V35: log-sd 0.6), kept to 1-18 years; weight follows its
    median for age with a log-sd of 0.12 (assumed); body surface is Mosteller's, ``sqrt(height weight / 3600)``.

    Parameters
    ----------
    age : float
        Median, years.
    """

    age: float = 5.7

    def draw(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return columns `age`, `female`, `weight` and `bsa`, each of length n."""
        years = np.clip(self.age * np.exp(0.6 * _normals(rng, n)), 1, 18)
        weight = np.interp(years, _AGES, _WEIGHTS) * np.exp(0.12 * _normals(rng, n))
        bsa = np.sqrt(weight * np.interp(years, _AGES, _HEIGHTS) / 3600)
        return {"age": years, "female": (rng.permutation(n) < n / 2).astype(float), "weight": weight, "bsa": bsa}


def _normals(rng: np.random.Generator, n: int) -> np.ndarray:
    """Standard normal numbers, one from each n-th of the distribution, in random order."""
    return ndtri((rng.permutation(n) + 0.5) / n)


@dataclass(frozen=True, slots=True)
class Occasion:
    """A published change of a constant in the course of treatment.

    Parameters
    ----------
    name : str
        Constant.
    first : int
        From which dose on, counted from 1; 0 where `after` says when.
    after : float
        h after the first dose.
    value : float
        From then on.
    """

    name: str
    first: int
    after: float
    value: float


@dataclass(frozen=True, slots=True)
class ResidualError:
    """Of a measured activity: ``y = f (1 + prop e1) + add e2``, or ``ln y = ln f + log e``; below `lloq` only that is known.

    Parameters
    ----------
    prop, log : float
        Fractions.
    add, lloq : float
        U/L.
    """

    prop: float = 0.0
    add: float = 0.0
    log: float = 0.0
    lloq: float = 0.0

    def sd(self, f: np.ndarray) -> np.ndarray:
        """Return the standard deviation at a true value, or of the logarithm where the error is log-normal."""
        return np.full(np.shape(f), self.log) if self.log else np.hypot(self.prop * np.asarray(f), self.add)

    def measured(self, f: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return what would be measured, not below 0; what is below `lloq` stays as it is, the reader censors it."""
        noise = rng.normal(size=np.shape(f))
        return f * np.exp(self.log * noise) if self.log else np.maximum(f + self.sd(f) * noise, 0.0)


@dataclass(frozen=True, slots=True)
class Population:
    """Virtual patients.

    Parameters
    ----------
    n : int
        How many.
    seed : int
        Same seed, same patients.
    covariates : Children, or mapping of str to sequence of float
        Who they are: a way to draw them, or columns of length n named after constants of the model.
    omega : mapping of str to float
        Standard deviations of the logarithm between patients, by constant.
    iov : mapping of str to float
        The same from dose to dose, of occasion constants (0 where nothing changes).
    iov_days : mapping of str to float
        Where an occasion is a period of so many days and not a dose.
    correlation : mapping of (str, str) to float
        Between patients' logarithms; 0 where not given.
    occasions : sequence of Occasion
        Changes in the course of treatment that all share.
    antibodies : float
        Share of patients who form neutralising antibodies; the model must have overlay ``antibodies``.
    onset : (float, float)
        Between which days after the first dose half the antibodies are there; uniform.
    uncertainty : sequence of mapping of str to float
        Draws of what is not known, an outer loop: patient k gets number k modulo its length.

    Raises
    ------
    ModelError
        If the correlations are not those of any distribution, or a size is impossible.
    """

    n: int
    seed: int = 1
    covariates: Children | Mapping[str, Sequence[float]] = field(default_factory=Children)
    omega: Mapping[str, float] = field(default_factory=dict)
    iov: Mapping[str, float] = field(default_factory=dict)
    iov_days: Mapping[str, float] = field(default_factory=dict)
    correlation: Mapping[tuple[str, str], float] = field(default_factory=dict)
    occasions: Sequence[Occasion] = ()
    antibodies: float = 0.0
    onset: tuple[float, float] = (4.0, 10.0)
    uncertainty: Sequence[Mapping[str, float]] = ()

    def __post_init__(self):
        if not isinstance(self.n, int) or self.n < 1:
            raise ModelError(f"a population of {self.n} is not possible; give a whole number, 1 or more")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ModelError(f"the seed is {self.seed!r}; give a whole number, 0 or more")
        if not 0 <= self.antibodies <= 1:
            raise ModelError(f"antibodies is {self.antibodies}; give a share from 0 to 1")
        if not 0 < self.onset[0] <= self.onset[1] < np.inf:
            raise ModelError(f"onset is {self.onset}; give the first and the last day, both positive")
        for what, table in (("omega", self.omega), ("iov", self.iov)):
            for name, value in table.items():
                if not 0 <= value < np.inf:
                    raise ModelError(f"{what} of '{name}' is {value}; a standard deviation is finite and not negative")
        for name, value in self.iov_days.items():
            if name not in self.iov or not 0 < value < np.inf:
                raise ModelError(f"iov_days of '{name}' is {value}; give a positive number of days of a name in iov")
        given = () if isinstance(self.covariates, Children) else tuple(self.covariates)
        occasional = {*self.iov, *(o.name for o in self.occasions)}
        for name in (*given, *(self.uncertainty[0] if self.uncertainty else ())):
            if name in occasional or (name in given and name in self.omega):
                raise ModelError(f"'{name}' is given as a column but also drawn by omega, iov or occasions; keep one")
        if not isinstance(self.covariates, Children):
            for name, column in self.covariates.items():
                if len(column) != self.n:
                    raise ModelError(f"covariate '{name}' has {len(column)} values for {self.n} patients")
        if len({frozenset(draw) for draw in self.uncertainty}) > 1:
            raise ModelError("the draws of what is uncertain do not all name the same constants")
        self._root()

    @classmethod
    def of(cls, product: str, n: int, seed: int = 1, *, antibodies: float = 0.0, **fields) -> Population:
        """Return patients of a product as its publication describes them; fields as of the class, added to what is published.

        Raises
        ------
        DataError
            If no variability is published for the product.
        """
        known = read_variability(product)
        omega = {**known.omega, **fields.pop("omega", {})}
        iov = {**known.iov, **fields.pop("iov", {})}
        return replace(known, n=n, seed=seed, antibodies=antibodies, omega=omega, iov=iov, **fields)

    def _root(self) -> np.ndarray:
        """Root of the correlation matrix, (n_omega, n_omega)."""
        names = list(self.omega)
        matrix = np.eye(len(names))
        for (one, other), value in self.correlation.items():
            for name in (one, other):
                if name not in names:
                    raise ModelError(f"a correlation names '{name}', which has no omega{suggest(name, names)}")
            i, j = names.index(one), names.index(other)
            matrix[i, j] = matrix[j, i] = value
        if not self.correlation:
            return matrix
        values, vectors = np.linalg.eigh(matrix)
        if np.any(values < -1e-12):
            raise ModelError("the correlations of the population contradict each other: the matrix is not positive semi-definite")
        return vectors * np.sqrt(np.maximum(values, 0.0))

    @property
    def blocks(self) -> range:
        """Numbers of the blocks."""
        return range(-(-self.n // BLOCK))

    def rows(self, block: int) -> range:
        """Return which patients a block holds."""
        return range(block * BLOCK, min((block + 1) * BLOCK, self.n))

    def draw(self, model: Network, regimen: Regimen, block: int, until: float = np.inf) -> dict[str, np.ndarray]:
        """Return constants and initial values of the patients of a block, as `asnsim.ensemble.simulate_many` takes them.

        ``'name@336'`` is the value of a constant from 336 h on; nothing changes after `until`. What children have and the model
        does not ask for is left out.

        Raises
        ------
        ModelError
            If the model lacks a constant that differs between patients, a covariate that was given, or antibodies.
        """
        rows = self.rows(block)
        n, tail = len(rows), [block] if block else []
        covariates, effects, bodies = (np.random.default_rng([self.seed, part, *tail]) for part in (1, 2, 3))
        if isinstance(self.covariates, Children):
            who = self.covariates.draw(n, covariates)
        else:
            for name in self.covariates:
                model.check_name(name)
            who = {name: np.asarray(column, dtype=float)[rows.start : rows.stop] for name, column in self.covariates.items()}
        sets = {name: column for name, column in who.items() if name in model.parameters}
        typical = self._typical(model, rows)
        sets |= {name: column for name, column in typical.items() if name not in self.omega}
        normal = np.column_stack([np.zeros((n, 0)), *(_normals(effects, n) for _ in self.omega)])
        eta = self.scaled(normal)
        kappa = {key: self.iov[key[0]] * _normals(effects, n) for key in self.occasions_of(regimen, until)}
        sets |= self.with_effects(model, regimen, n, eta, kappa, typical, until)
        sets |= self._bodies(model, regimen, n, bodies)
        return at_rest(model, sets)

    def scaled(self, normal: np.ndarray) -> dict[str, np.ndarray]:
        """Return effects between patients from independent standard normal numbers, shape (n, n_omega)."""
        correlated = normal @ self._root().T
        return {name: sd * correlated[:, k] for k, (name, sd) in enumerate(self.omega.items())}

    def occasions_of(self, regimen: Regimen, until: float = np.inf) -> list[tuple[str, int]]:
        """Return which occasion constants differ at which occasions of a treatment, counted as doses or periods are."""
        doses = regimen.dose_times() or (0.0,)
        names = [name for name, sd in self.iov.items() if sd]
        pairs = ((name, self._occasion(name, t, doses)) for name in names for t in self._changes(name, doses, until))
        return list(dict.fromkeys(pairs))

    def with_effects(
        self,
        model: Network,
        regimen: Regimen,
        n: int,
        eta: Mapping[str, np.ndarray],
        kappa: Mapping[tuple[str, int], np.ndarray],
        typical: Mapping[str, np.ndarray] | None = None,
        until: float = np.inf,
    ) -> dict[str, np.ndarray]:
        """Return constants of patients with given effects, shape (n,) each; effects that are left out are 0.

        Raises
        ------
        ModelError
            If the model lacks a constant that differs.
        """
        sets, typical = {}, typical or {}
        for name, effect in eta.items():
            model.check_name(name)
            sets[name] = typical.get(name, model.value(name)) * np.exp(effect)
        doses = regimen.dose_times() or (0.0,)
        for name in dict.fromkeys([*self.iov, *(o.name for o in self.occasions)]):
            model.check_name(name)
            for time in self._changes(name, doses, until):
                effect, own = self._effect(model, name, time, doses), kappa.get((name, self._occasion(name, time, doses)))
                values = np.full(n, effect) if own is None else (1 + effect) * np.exp(own) - 1
                sets[name if time == doses[0] else f"{name}@{time!r}"] = values
        return sets

    def _typical(self, model: Network, rows: range) -> dict[str, np.ndarray]:
        """Typical values under uncertainty."""
        names = self.uncertainty[0] if self.uncertainty else ()
        for name in names:
            model.check_name(name)
        return {name: np.array([self.uncertainty[k % len(self.uncertainty)][name] for k in rows]) for name in names}

    def _changes(self, name: str, doses: Sequence[float], until: float) -> list[float]:
        """When an occasion constant may change: at doses, or every period up to the end, and where something published ends."""
        period, last = 24.0 * self.iov_days.get(name, 0.0), until if np.isfinite(until) else doses[-1]
        regular = np.arange(doses[0], max(last, doses[0]) + 1e-9, period).tolist() if period else list(doses)
        ends = [doses[0] + o.after for o in self.occasions if o.name == name and not o.first]
        return sorted({time for time in (*regular, *ends) if time <= until} | {doses[0]})

    def _occasion(self, name: str, time: float, doses: Sequence[float]) -> int:
        period = 24.0 * self.iov_days.get(name, 0.0)
        return int((time - doses[0]) / period + 1e-9) if period else sum(dose <= time for dose in doses)

    def _effect(self, model: Network, name: str, time: float, doses: Sequence[float]) -> float:
        """The last published effect that has begun."""
        begun = [
            o.value
            for o in self.occasions
            if o.name == name and (o.first <= sum(dose <= time for dose in doses) if o.first else doses[0] + o.after <= time)
        ]
        return begun[-1] if begun else model.value(name)

    def _bodies(self, model: Network, regimen: Regimen, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        if not self.antibodies:
            return {}
        if "ada_clearance_fold" not in model.parameters:
            raise ModelError(
                f"antibodies is {self.antibodies:g}, but model '{model.name}' has none; load it with overlay 'antibodies'"
            )
        affected = rng.random(n) < self.antibodies
        return antibody_columns(model, regimen, affected, rng.uniform(*self.onset, n))


def antibody_columns(model: Network, regimen: Regimen, affected: np.ndarray, onset: np.ndarray) -> dict[str, np.ndarray]:
    """Return the constants of patients who form antibodies, or not; half are there `onset` days after the first dose."""
    begin = (regimen.dose_times() or (0.0,))[0]
    fold, onset = np.where(affected, model.value("ada_clearance_fold"), 1.0), 24.0 * onset
    growth = np.log(1 / model.value("ada_seed") - 1) / onset  # of the logistic curve
    return {"ada_clearance_fold": fold, "ada_onset": onset, "ada": 1 / (1 + np.exp(growth * (begin + onset)))}


def at_rest(model: Network, sets: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Let Asn of plasma, tissue and CSF start where it rests before the drug, where the recipe has them and patients differ."""
    if not {"Ra_asn", "csf_source", "weight"} & set(sets) or "asn_csf" not in model.states:
        return sets

    def value(name: str):
        return sets.get(name, model.value(name))

    inside = value("Ra_asn") / value("CL_tissue_asn")
    plasma = inside + value("plasma_share_of_Ra") * value("Ra_asn") / value("PS_plasma_tissue")
    return sets | {
        name: np.broadcast_to(level, len(next(iter(sets.values())))).copy()
        for name, level in (
            ("asn_i", inside),
            ("asn_p", plasma),
            ("asn_csf", value("csf_plasma_ratio") * plasma + value("csf_source")),
        )
    }


def _rows(product: str) -> Iterable:
    columns = ("product", "kind", "name", "first", "value", "unit", "source", "status")
    rows = read_tsv(models_folder() / "products.tsv", required=columns)
    found = [row for row in rows if row["product"] == product]
    if not found:
        known = dict.fromkeys(row["product"] for row in rows)
        raise DataError(f"no variability is published for '{product}'{suggest(product, known)}; there is {', '.join(known)}")
    return found


def read_variability(product: str) -> Population:
    """Return one patient of a product with the published variability: omega, iov, correlations and occasions.

    Reads ``models/products.tsv``.

    Raises
    ------
    DataError
        If nothing is published for the product, or a row is of no known kind.
    """
    omega, iov, days, correlation, occasions = {}, {}, {}, {}, []
    for row in _rows(product):
        kind, name, value = row["kind"], row["name"], row.number("value")
        if kind == "iiv":
            omega[name] = float(np.sqrt(np.log1p(value**2)))
        elif kind == "iov":
            iov[name] = float(np.sqrt(np.log1p(value**2)))
            days |= {name: row.number("first")} if row["first"] else {}
        elif kind == "correlation":
            correlation[tuple(name.split("~"))] = value
        elif kind == "dose":
            occasions.append(Occasion(name, int(row.number("first")), 0.0, value))
        elif kind == "after":
            occasions.append(Occasion(name, 0, row.number("first") * 24.0, value))
        elif kind not in ("error_prop", "error_add", "error_log", "lloq"):
            raise DataError(f"{row.where}: kind '{kind}' is not iiv, iov, correlation, dose, after, lloq or an error")
    return Population(1, omega=omega, iov=iov, iov_days=days, correlation=correlation, occasions=tuple(occasions))


def read_residual(product: str) -> ResidualError:
    """Return the published residual error of a product's activity."""
    values = {row["kind"]: row.number("value") * unit(row["unit"]).factor for row in _rows(product)}
    names = {"error_prop": "prop", "error_add": "add", "error_log": "log", "lloq": "lloq"}
    return ResidualError(**{field: values[kind] for kind, field in names.items() if kind in values})
