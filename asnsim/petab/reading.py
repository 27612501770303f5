"""PEtab files, versions 1 and 2, into a `PetabProblem`; every fault is told with file and row."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import sympy
import yaml

from asnsim.errors import DataError, UnsupportedFeatureError, suggest
from asnsim.formulas import as_number, parse_formula
from asnsim.io.sbml_reader import ForeignModel, read_sbml
from asnsim.petab.priors import Prior, make_prior
from asnsim.petab.problem import Experiment, Observable, Period, PetabParameter, PetabProblem, leaf

__all__ = ["read_problem"]

_HOLDER = re.compile(r"(observable|noise)Parameter\d+_\w+")
_ROUNDING = 1e-9  # by which a nominal value may miss a bound, as tables are rounded
_NOISES = {
    "normal": ("lin", "normal"),
    "laplace": ("lin", "laplace"),
    "log-normal": ("log", "normal"),
    "log-laplace": ("log", "laplace"),
}


def read_problem(path: str | Path) -> PetabProblem:
    """Read a problem.

    Parameters
    ----------
    path : str or Path
        The YAML file that names the others.

    Raises
    ------
    DataError
        If a file is missing, malformed or contradicts another; the message says where.
    ModelError, UnsupportedFeatureError
        If the model or a formula cannot be read.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or "format_version" not in content:
        raise DataError(f"{path}: not a PEtab problem: it has no format_version")
    version = str(content["format_version"]).split(".")[0]
    if version not in ("1", "2"):
        raise UnsupportedFeatureError(f"{path}: PEtab version {content['format_version']} is not known; there are 1 and 2")
    return (_First if version == "1" else _Second)(path, content).read()


class _Files(ABC):
    """The files of a problem, whatever its version."""

    version = 0

    def __init__(self, path: Path, content: dict):
        self.path, self.content = path, content
        self.model: ForeignModel
        self.parameters: dict[str, PetabParameter] = {}
        self.names: dict[str, sympy.Expr] = {}

    def listed(self, part: Mapping, key: str) -> list[str]:
        value = part.get(key) or []
        found = value if isinstance(value, list) else [value]
        for one in found:
            if not isinstance(one, str):
                raise DataError(f"{self.path}: {key} holds {one!r:.60}, which is not the name of a file")
        return found

    def parts(self, value: object, key: str) -> dict:
        """A mapping of the YAML file, checked to be one of mappings."""
        value = value or {}
        if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
            raise DataError(f"{self.path}: {key} is not a list of named entries, each with language and location")
        return value

    def table(self, part: Mapping, key: str, index: str | None, needed: tuple[str, ...] = ()) -> pd.DataFrame:
        """All tables of one kind, one under the other, all cells as text; empty text where a cell is."""
        frames = []
        for name in self.listed(part, key):
            file = self.path.parent / name
            try:
                frame = pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False, comment=None)
            except FileNotFoundError:
                raise DataError(f"{self.path}: its file {name} is missing") from None
            except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
                raise DataError(f"{file}: not a table of tab-separated columns: {' '.join(str(error).split())}") from None
            if not isinstance(frame.index, pd.RangeIndex):
                raise DataError(f"{file}: a row has more cells than the first line has names")
            frame = frame.rename(columns=str.strip).map(str.strip)
            frame = frame[(frame != "").any(axis=1)]
            for column in ((index,) if index else ()) + needed:
                if column not in frame.columns:
                    raise DataError(f"{file}: the column '{column}' is missing")
            frame["__where"] = [f"{name}, row {i + 2}" for i in frame.index]
            frames.append(frame)
        if not frames:
            return pd.DataFrame(columns=[*((index,) if index else ()), *needed, "__where"])
        table = pd.concat(frames, ignore_index=True).fillna("")
        return table

    def unique(self, table: pd.DataFrame, column: str) -> None:
        double = table[table.duplicated(column)]
        if len(double):
            raise DataError(f"{double['__where'].iloc[0]}: '{double[column].iloc[0]}' is given twice; remove one")

    def number(self, text: str, where: str, what: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise DataError(f"{where}: {what} is '{text}', which is not a number") from None

    # ---- what both versions share ------------------------------------------------------------------------------------
    def read_model(self, name: str) -> None:
        self.model = read_sbml(self.path.parent / name)

    def read_parameters(self, files: Mapping, key: str) -> None:
        needed = ("estimate", "lowerBound", "upperBound") if self.version == 2 else ("estimate", "parameterScale")
        table = self.table(files, key, "parameterId", needed)
        self.unique(table, "parameterId")
        for row in table.to_dict("records"):
            self.parameters[row["parameterId"]] = self.parameter(row)
        known = set(self.model.names)
        for name in self.parameters:
            if name in known and self.model.ids[name] in self.model.network.rules:
                raise DataError(f"{self.path.name}: parameter '{name}' is computed by a rule of the model; it cannot be set")
        self.names = {name: leaf(name) for name in self.parameters} | dict(self.model.names)

    def parameter(self, row: dict) -> PetabParameter:
        name, where = row["parameterId"], row["__where"]
        text = row["estimate"].lower()
        if text not in ("0", "1", "true", "false"):
            raise DataError(f"{where}: estimate of '{name}' is '{row['estimate']}'; give 0, 1, true or false")
        estimate = text in ("1", "true")
        scale = row.get("parameterScale", "lin") or "lin"
        if scale not in ("lin", "log", "log10"):
            raise DataError(f"{where}: the scale of '{name}' is '{scale}'; there are lin, log and log10")
        values = {}
        for column, empty in (("lowerBound", -math.inf), ("upperBound", math.inf), ("nominalValue", math.nan)):
            values[column] = self.number(row[column], where, f"{column} of '{name}'") if row.get(column) else empty
        low, high, nominal = values.values()
        if estimate and not low < high:
            raise DataError(f"{where}: the bounds of '{name}' are {low:g} and {high:g}; the lower must be below the upper")
        if estimate and scale != "lin" and not (low >= 0 and high > 0):
            raise DataError(f"{where}: '{name}' is estimated on {scale} scale; its bounds {low:g} and {high:g} must be positive")
        if not estimate and math.isnan(nominal):
            raise DataError(f"{where}: '{name}' is not estimated and has no nominalValue")
        if estimate and scale != "lin" and nominal <= 0:
            raise DataError(f"{where}: the nominal value {nominal:g} of '{name}' does not exist on {scale} scale")
        outside = nominal < low * (1.0 - _ROUNDING) or nominal > high * (1.0 + _ROUNDING)
        if estimate and scale != "lin" and outside:
            raise DataError(f"{where}: the nominal value {nominal:g} of '{name}' lies outside of its bounds {low:g} and {high:g}")
        return PetabParameter(name, scale, low, high, nominal, estimate, self.prior(row, low, high, estimate))

    def prior(self, row: dict, low: float, high: float, estimate: bool) -> Prior | None:
        kind, numbers = ("priorDistribution", "priorParameters")
        if self.version == 1:
            kind, numbers = ("objectivePriorType", "objectivePriorParameters")
        where = row["__where"]
        if not estimate:
            return None
        if not row.get(kind):  # version 2: uniform over the bounds
            finite = math.isfinite(low) and math.isfinite(high)
            return make_prior("uniform", (low, high), low, high, 2, where) if self.version == 2 and finite else None
        texts = [text for text in row.get(numbers, "").split(";") if text]
        values = tuple(self.number(text, where, f"{numbers} of '{row['parameterId']}'") for text in texts)
        return make_prior(row[kind], values, low, high, self.version, where)

    def formula(self, text: str, where: str, extra: Mapping[str, sympy.Expr] | None = None) -> sympy.Expr:
        names = self.names | dict(extra or {})
        value = as_number(parse_formula(text, names, where))
        known = {s.name for expression in names.values() for s in expression.free_symbols} | {"time"}
        known |= set(self.model.network.rules)
        for free in sorted(value.free_symbols, key=str):
            if free.name not in known:
                hint = suggest(free.name, names)
                raise DataError(f"{where}: '{free.name}' is neither in the model nor in the parameter table{hint}")
        return value

    def observables(self, files: Mapping) -> dict[str, Observable]:
        table = self.table(files, "observable_files", "observableId", ("observableFormula", "noiseFormula"))
        self.unique(table, "observableId")
        return {row["observableId"]: self.observable(row) for row in table.to_dict("records")}

    def observable(self, row: dict) -> Observable:
        name, where = row["observableId"], row["__where"]
        own, noisy = self.holders(row)
        extra = {holder: sympy.Symbol(holder, real=True) for holder in (*own, *noisy)}
        formula = self.formula(row["observableFormula"], f"{where}, observableFormula", extra)
        noise = self.formula(row["noiseFormula"], f"{where}, noiseFormula", extra | {name: formula})
        scale, distribution = self.noise_model(row)
        return Observable(name, formula, noise, scale, distribution, own, noisy)

    @abstractmethod
    def read(self) -> PetabProblem:
        """The problem."""

    @abstractmethod
    def holders(self, row: dict) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Placeholders of an observable and of its noise."""

    @abstractmethod
    def noise_model(self, row: dict) -> tuple[str, str]:
        """Scale and distribution of an observable's noise."""

    def measurements(self, table: pd.DataFrame, observables: Mapping[str, Observable], experiments) -> pd.DataFrame:
        rows = []
        for row in table.to_dict("records"):
            where, name = row["__where"], row["observableId"]
            if name not in observables:
                raise DataError(f"{where}: observable '{name}' is not in the observable table{suggest(name, observables)}")
            time = self.number(row["time"], where, "time")
            experiment = self.experiment_of(row)
            if experiment not in experiments:
                raise DataError(f"{where}: experiment '{experiment}' is not defined{suggest(str(experiment), experiments)}")
            first = next((p.time for p in experiments[experiment].periods if np.isfinite(p.time)), 0.0)
            if math.isnan(time) or time < first:
                raise DataError(f"{where}: the time {time:g} lies before the experiment begins at {first:g}")
            value = self.number(row["measurement"], where, "measurement")
            one = observables[name]
            if one.scale != "lin" and not value > 0:
                raise DataError(f"{where}: the measurement {value:g} does not exist on the {one.scale} scale of '{name}'")
            own = self.overrides(row, "observableParameters", one.placeholders, where)
            noisy = self.overrides(row, "noiseParameters", one.noise_placeholders, where)
            rows.append((name, experiment, time, value, own, noisy))
        columns = ["observable", "experiment", "time", "measurement", "observable_parameters", "noise_parameters"]
        return pd.DataFrame(rows, columns=columns)

    @abstractmethod
    def experiment_of(self, row: dict) -> str:
        """Experiment that a measurement belongs to."""

    def overrides(self, row: dict, column: str, holders: tuple[str, ...], where: str) -> tuple[sympy.Expr, ...]:
        text = row.get(column, "")
        parts = [part.strip() for part in text.split(";")] if text else []
        if len(parts) != len(holders):
            raise DataError(f"{where}: {column} gives {len(parts)} values where '{row['observableId']}' asks for {len(holders)}")
        return tuple(self.formula(part, f"{where}, {column}") for part in parts)

    def target(self, name: str, where: str) -> str:
        """The network's name of what a condition sets."""
        if name not in self.model.ids:
            raise DataError(f"{where}: '{name}' is not a quantity of the model{suggest(name, self.model.ids)}")
        if name in self.parameters and self.parameters[name].estimate:
            raise DataError(f"{where}: '{name}' is both estimated and set by a condition; remove one")
        own = self.model.ids[name]
        if own not in self.model.network.parameters:
            raise DataError(f"{where}: '{name}' is computed by the model; a condition cannot set it")
        return own


class _First(_Files):
    """Version 1: one wide table of conditions, named by each measurement."""

    version = 1

    def read(self) -> PetabProblem:
        problems = self.content.get("problems")
        if not isinstance(problems, list) or len(problems) != 1:
            raise UnsupportedFeatureError(f"{self.path}: a file with {len(problems or [])} problems is not supported; give one")
        files = problems[0]
        if not isinstance(files, dict):
            raise DataError(f"{self.path}: the problem is {files!r:.60}, not a list of files")
        models = self.parts(files.get("model_files"), "model_files").values()
        sbml = self.listed(files, "sbml_files") or [str(one.get("location")) for one in models if one.get("language") == "sbml"]
        if len(sbml) != 1:
            raise UnsupportedFeatureError(f"{self.path}: a problem with {len(sbml)} SBML models is not supported; give one")
        self.read_model(sbml[0])
        self.read_parameters(self.content, "parameter_file")
        observables = self.observables(files)
        needed = ("simulationConditionId", "measurement", "time")
        table = self.table(files, "measurement_files", "observableId", needed)
        conditions = self.table(files, "condition_files", "conditionId")
        self.unique(conditions, "conditionId")
        self.conditions = {row["conditionId"]: row for row in conditions.to_dict("records")}
        experiments = {}
        for row in table.to_dict("records"):
            name = self.experiment_of(row)
            if name not in experiments:
                experiments[name] = self.experiment(name, row)
        data = self.measurements(table, observables, experiments)
        return PetabProblem(self.path.stem, 1, self.model, self.parameters, observables, experiments, data)

    def experiment_of(self, row: dict) -> str:
        before = row.get("preequilibrationConditionId", "")
        return f"{before}+{row['simulationConditionId']}" if before else row["simulationConditionId"]

    def experiment(self, name: str, row: dict) -> Experiment:
        before = row.get("preequilibrationConditionId", "")
        steps = [(-math.inf, before)] if before else []
        steps.append((0.0, row["simulationConditionId"]))
        for _, condition in steps:
            if condition not in self.conditions:
                raise DataError(f"{row['__where']}: condition '{condition}' is not defined{suggest(condition, self.conditions)}")
        return Experiment(name, tuple(Period(time, self.changes(condition)) for time, condition in steps))

    def changes(self, condition: str) -> tuple[tuple[str, sympy.Expr], ...]:
        row, found = self.conditions[condition], []
        for column, text in row.items():
            if column in ("conditionId", "conditionName", "__where") or text == "":
                continue
            where = f"{row['__where']}, {column}"
            if text.lower() == "nan":  # as the model, or the equilibrium, leaves it
                self.target(column, where)
                continue
            found.append((self.target(column, where), self.formula(text, where)))
        return tuple(found)

    def holders(self, row: dict) -> tuple[tuple[str, ...], tuple[str, ...]]:
        found = {}
        for kind, texts in (("observable", (row["observableFormula"], row["noiseFormula"])), ("noise", (row["noiseFormula"],))):
            names = {m.group() for text in texts for m in _HOLDER.finditer(text) if m.group(1) == kind}
            mine = [name for name in names if name.split("_", 1)[1] == row["observableId"]]
            found[kind] = tuple(sorted(mine, key=lambda name: int(re.search(r"\d+", name).group())))
        return found["observable"], found["noise"]

    def noise_model(self, row: dict) -> tuple[str, str]:
        scale, kind = row.get("observableTransformation") or "lin", row.get("noiseDistribution") or "normal"
        if kind in ("log-normal", "log-laplace", "log10-normal", "log10-laplace"):
            scale, kind = kind.split("-")
        if scale not in ("lin", "log", "log10") or kind not in ("normal", "laplace"):
            raise DataError(f"{row['__where']}: noise '{kind}' on scale '{scale}' is not known")
        return scale, kind


class _Second(_Files):
    """Version 2: experiments of periods, conditions as lists of changes."""

    version = 2

    def read(self) -> PetabProblem:
        models = self.parts(self.content.get("model_files"), "model_files")
        if len(models) != 1:
            raise UnsupportedFeatureError(f"{self.path}: a problem with {len(models)} models is not supported; give one")
        (one,) = models.values()
        if one.get("language") != "sbml":
            raise UnsupportedFeatureError(f"{self.path}: a model in {one.get('language')} is not supported; give SBML")
        if self.content.get("extensions"):
            name = next(iter(self.content["extensions"]))
            raise UnsupportedFeatureError(f"{self.path}: the extension '{name}' is not supported")
        self.read_model(str(one.get("location")))
        self.read_parameters(self.content, "parameter_files")
        mapping = self.table(self.content, "mapping_files", "petabEntityId", ("modelEntityId",))
        for row in mapping.to_dict("records"):
            if row["modelEntityId"] in self.model.names:
                self.names[row["petabEntityId"]] = self.model.names[row["modelEntityId"]]
        observables = self.observables(self.content)
        conditions = self.table(self.content, "condition_files", "conditionId", ("targetId", "targetValue"))
        self.changes: dict[str, list] = {}
        for row in conditions.to_dict("records"):
            where, name = row["__where"], row["targetId"]
            value = self.formula(row["targetValue"], f"{where}, targetValue")
            self.changes.setdefault(row["conditionId"], []).append((self.target(name, where), value))
        experiments = self.experiments()
        table = self.table(self.content, "measurement_files", "observableId", ("experimentId", "time", "measurement"))
        if (table["experimentId"] == "").any():
            experiments[""] = Experiment("", (Period(0.0, ()),))
        data = self.measurements(table, observables, experiments)
        return PetabProblem(self.path.stem, 2, self.model, self.parameters, observables, experiments, data)

    def experiments(self) -> dict[str, Experiment]:
        table = self.table(self.content, "experiment_files", "experimentId", ("time", "conditionId"))
        steps: dict[str, dict[float, list]] = {}
        for row in table.to_dict("records"):
            time = self.number(row["time"], row["__where"], "time")
            mine = steps.setdefault(row["experimentId"], {}).setdefault(time, [])
            name = row["conditionId"]
            if name and name not in self.changes:
                raise DataError(f"{row['__where']}: condition '{name}' is not defined{suggest(name, self.changes)}")
            for target, value in self.changes.get(name, []):
                if target in dict(mine):
                    raise DataError(f"{row['__where']}: '{target}' is set twice at time {time:g}; remove one")
                mine.append((target, value))
        return {
            name: Experiment(name, tuple(Period(time, tuple(periods[time])) for time in sorted(periods)))
            for name, periods in steps.items()
        }

    def experiment_of(self, row: dict) -> str:
        return row["experimentId"]

    def holders(self, row: dict) -> tuple[tuple[str, ...], tuple[str, ...]]:
        own, noisy = (
            tuple(name.strip() for name in row.get(column, "").split(";") if name.strip())
            for column in ("observablePlaceholders", "noisePlaceholders")
        )
        return own, noisy

    def noise_model(self, row: dict) -> tuple[str, str]:
        kind = row.get("noiseDistribution") or "normal"
        if kind not in _NOISES:
            raise DataError(f"{row['__where']}: noise '{kind}' is not known; there are {', '.join(_NOISES)}")
        return _NOISES[kind]
