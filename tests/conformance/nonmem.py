"""Scenarios of NONMEM event records on a one-compartment oral model, with closed forms that know nothing of the engine.

Central amount after a unit bolus: ``g(s) = sum a_i exp(-l_i s)``; an infusion is its integral, a train that has gone on for ever a
geometric series. Shared by `make test` and `make conformance`.
"""

import math
from dataclasses import dataclass

from asnsim.composition import compose
from asnsim.network import Module, Parameter, symbols
from asnsim.units import unit

CL, V, KA = 1.1, 20.0, 1.5
KE = CL / V
MODES = {"depot": ((KA / (KA - KE), KE), (-KA / (KA - KE), KA)), "central": ((1.0, KE),)}
TIMES = (0.5, 1, 2, 3, 5, 8, 11.5, 13, 17, 23, 25, 31, 37, 49, 60)


def oral_model(saturable=False):
    depot, central, cl, v, ka, km = symbols("depot central CL V ka Km")
    loss = cl / v * central / (1 + central / km) if saturable else cl / v * central
    module = Module("oral", (), {"cp": central / v}, {"depot": -ka * depot, "central": ka * depot - loss})
    table = {"depot": (0.0, "U"), "central": (0.0, "U"), "CL": (CL, "L/h"), "V": (V, "L"), "ka": (KA, "1/h")}
    if saturable:
        table["Km"] = (50.0, "U")
    numbers = {name: Parameter(name, x, text, unit(text).dimension) for name, (x, text) in table.items()}
    return compose("oral", [module], {}, numbers)


def step(s, where):
    """Response to a unit rate that began at s = 0."""
    return sum(a / k * -math.expm1(-k * s) for a, k in MODES[where]) if s > 0 else 0.0


@dataclass(frozen=True)
class Bolus:
    t: float
    amt: float
    where: str = "central"
    until: float = math.inf

    def at(self, t):
        s = t - self.t
        return self.amt * sum(a * math.exp(-k * s) for a, k in MODES[self.where]) if 0 <= s and t < self.until else 0.0


@dataclass(frozen=True)
class Infusion:
    t: float
    rate: float
    length: float
    where: str = "central"
    until: float = math.inf

    def at(self, t):
        s = t - self.t
        return self.rate * (step(s, self.where) - step(s - self.length, self.where)) if t < self.until else 0.0


@dataclass(frozen=True)
class Train:
    """Boluses every `ii` for ever, the last at `t`; seen from `since` on."""

    t: float
    amt: float
    ii: float
    where: str = "central"
    since: float = 0.0
    until: float = math.inf

    def at(self, t):
        if not self.since <= t < self.until:
            return 0.0
        return self.amt * sum(a * math.exp(-k * (t - self.t)) / -math.expm1(-k * self.ii) for a, k in MODES[self.where])


@dataclass(frozen=True)
class TrainOfInfusions:
    t: float
    rate: float
    length: float
    ii: float
    where: str = "central"
    since: float = 0.0
    until: float = math.inf

    def at(self, t):
        if not self.since <= t < self.until:
            return 0.0
        running, s = 0.0, t - self.t
        while s < self.length:
            running += step(s, self.where)
            s += self.ii
        past = sum(
            a / k * math.expm1(k * self.length) * math.exp(-k * s) / -math.expm1(-k * self.ii) for a, k in MODES[self.where]
        )
        return self.rate * (running + past)


@dataclass(frozen=True)
class Plateau:
    """A constant infusion for ever, ended at `t`."""

    t: float
    rate: float

    def at(self, t):
        return self.rate / KE * math.exp(-KE * (t - self.t)) if t >= self.t else 0.0


@dataclass(frozen=True)
class Scenario:
    name: str
    doses: tuple  # rows of records as dicts
    expected: tuple
    constants: dict

    def table(self):
        """The records as CSV, observations in between; rows after a reset come after all before it."""
        columns = ("ID", "TIME", "EVID", "CMT", "AMT", "RATE", "DUR", "II", "ADDL", "SS")
        rows = [{"TIME": t, "EVID": 0, "CMT": 2} for t in TIMES]
        for dose in self.doses:
            place = next((k for k, row in enumerate(rows) if row["TIME"] > dose["TIME"]), len(rows))
            rows.insert(place, {"EVID": 1, **dose})
        lines = [",".join(str({"ID": 1, **row}.get(c, ".")) for c in columns) for row in rows]
        return ",".join(columns) + "\n" + "\n".join(lines) + "\n"

    def central(self, t):
        return sum(part.at(t) for part in self.expected)


def _many(kind, times, *args, **more):
    return tuple(kind(t, *args, **more) for t in times)


def d(t, cmt, **items):
    return {"TIME": t, "CMT": cmt, **{name.upper(): value for name, value in items.items()}}


def scenarios():
    """The 29 scenarios."""
    s = []

    def add(name, doses, expected, **constants):
        s.append(Scenario(name, tuple(doses), tuple(expected), constants))

    twelve = [12.0 * k for k in range(4)]
    add("bolus, additional", [d(0, 1, amt=100, ii=12, addl=3)], _many(Bolus, twelve, 100, "depot"))
    add("bolus into central", [d(0, 2, amt=100)], [Bolus(0, 100)])
    add("bolus, F", [d(0, 1, amt=100, ii=12, addl=3)], _many(Bolus, twelve, 70, "depot"), F_depot=0.7)
    add("bolus, lag", [d(0, 1, amt=100, ii=12, addl=3)], _many(Bolus, [t + 2.4 for t in twelve], 100, "depot"), ALAG_depot=2.4)
    add(
        "bolus, lag and F",
        [d(0, 1, amt=100, ii=12, addl=3)],
        _many(Bolus, [t + 2.4 for t in twelve], 40, "depot"),
        ALAG_depot=2.4,
        F_depot=0.4,
    )
    add("infusion, additional", [d(0, 2, amt=100, rate=20, ii=12, addl=3)], _many(Infusion, twelve, 20, 5))
    add(
        "infusion, F at a rate: shorter",
        [d(0, 2, amt=100, rate=20, ii=12, addl=3)],
        _many(Infusion, twelve, 20, 3.5),
        F_central=0.7,
    )
    add(
        "infusion, F at a length: slower", [d(0, 2, amt=100, dur=5, ii=12, addl=3)], _many(Infusion, twelve, 14, 5), F_central=0.7
    )
    add(
        "infusion, lag",
        [d(0, 2, amt=100, rate=20, ii=12, addl=3)],
        _many(Infusion, [t + 3 for t in twelve], 20, 5),
        ALAG_central=3.0,
    )
    add(
        "infusion, modelled duration",
        [d(0, 2, amt=100, rate=-2, ii=12, addl=2)],
        _many(Infusion, twelve[:3], 25, 4),
        D_central=4.0,
    )
    add("infusion, modelled duration and F", [d(0, 2, amt=100, rate=-2)], [Infusion(0, 15, 4)], D_central=4.0, F_central=0.6)
    add("infusion, modelled rate and F", [d(0, 2, amt=100, rate=-1)], [Infusion(0, 40, 1.5)], R_central=40.0, F_central=0.6)
    add(
        "infusion into the depot, II below its length",
        [d(0, 1, amt=100, rate=10, ii=6, addl=4)],
        _many(Infusion, [6.0 * k for k in range(5)], 10, 10, "depot"),
    )
    add(
        "infusion, II equal to its length",
        [d(0, 2, amt=60, rate=10, ii=6, addl=4)],
        _many(Infusion, [6.0 * k for k in range(5)], 10, 6),
    )
    add("SS bolus", [d(0, 1, amt=100, ii=12, ss=1)], [Train(0, 100, 12, "depot")])
    add(
        "SS bolus, additional and F",
        [d(0, 1, amt=100, ii=12, addl=2, ss=1)],
        [Train(0, 50, 12, "depot"), *_many(Bolus, [12.0, 24.0], 50, "depot")],
        F_depot=0.5,
    )
    add(
        "SS bolus, lag",
        [d(0, 1, amt=100, ii=12, addl=2, ss=1)],
        [Train(-7.0, 100, 12, "depot"), *_many(Bolus, [5.0, 17.0, 29.0], 100, "depot")],
        ALAG_depot=5.0,
    )
    add("SS infusion", [d(0, 2, amt=100, rate=20, ii=12, ss=1)], [TrainOfInfusions(0, 20, 5, 12)])
    add(
        "SS infusion, lag and F",
        [d(0, 2, amt=100, rate=20, ii=12, addl=1, ss=1)],
        [TrainOfInfusions(-9.0, 20, 3, 12), *_many(Infusion, [3.0, 15.0], 20, 3)],
        ALAG_central=3.0,
        F_central=0.6,
    )
    add(
        "SS infusion, II below its length",
        [d(0, 2, amt=100, rate=10, ii=6, addl=3, ss=1)],
        [TrainOfInfusions(0, 10, 10, 6), *_many(Infusion, [6.0, 12.0, 18.0], 10, 10)],
    )
    add(
        "SS infusion, II below its length, F",
        [d(0, 2, amt=100, rate=10, ii=6, ss=1)],
        [TrainOfInfusions(0, 10, 14, 6)],
        F_central=1.4,
    )
    add(
        "SS infusion, II below its length, lag",
        [d(0, 2, amt=220, rate=10, ii=6, ss=1)],
        [TrainOfInfusions(-1.5, 10, 22, 6), Infusion(4.5, 10, 22)],
        ALAG_central=4.5,
    )
    add("SS infusion, II equal to its length", [d(0, 2, amt=120, rate=10, ii=12, ss=1)], [TrainOfInfusions(0, 10, 12, 12)])
    add(
        "SS 1 then SS 2",
        [d(0, 1, amt=100, ii=24, addl=2, ss=1), d(9, 1, amt=50, ii=24, addl=1, ss=2)],
        [
            Train(0, 100, 24, "depot"),
            *_many(Bolus, [24.0, 48.0], 100, "depot"),
            Train(9, 50, 24, "depot", since=9.0),
            Bolus(33, 50, "depot"),
        ],
    )
    add(
        "SS 1 forgets",
        [d(0, 1, amt=400, ii=6, addl=9), d(3, 2, amt=200, rate=10), d(12, 1, amt=100, ii=12, ss=1)],
        [
            *_many(Bolus, [0.0, 6.0], 400, "depot", until=12.0),
            Infusion(3, 10, 20, until=12.0),
            Train(12, 100, 12, "depot", since=12.0),
        ],
    )
    add("SS constant infusion", [d(0, 2, rate=12, ss=1)], [Plateau(0, 12)])
    add(
        "reset (EVID 3)",
        [d(0, 1, amt=100, ii=12, addl=3), {**d(12, 1), "EVID": 3}, d(24, 1, amt=50)],
        [Bolus(0, 100, "depot", until=12.0), Bolus(24, 50, "depot")],
    )
    add(
        "reset and dose (EVID 4), lag",
        [d(0, 1, amt=100, ii=12, addl=3), {**d(12, 1, amt=80), "EVID": 4}],
        [Bolus(2.5, 100, "depot", until=12.0), Bolus(14.5, 80, "depot")],
        ALAG_depot=2.5,
    )
    add(
        "reset and SS infusion, additional (EVID 4)",
        [d(0, 1, amt=100, ii=12, addl=3), {**d(12, 2, amt=60, rate=20, ii=8, addl=2, ss=1), "EVID": 4}],
        [Bolus(0, 100, "depot", until=12.0), TrainOfInfusions(12, 20, 3, 8, since=12.0), *_many(Infusion, [20.0, 28.0], 20, 3)],
    )
    return tuple(s)


def more_scenarios():
    """Where the neighbours stumbled: steady state, lag and overlapping infusions at once (mrgsolve issue 1261)."""
    lag, doses = {"ALAG_central": 5.5}, [d(0, 2, amt=220, rate=10, ii=6, addl=1, ss=ss) for ss in (1, 3)]
    expected = (TrainOfInfusions(-0.5, 10, 22, 6), *_many(Infusion, [5.5, 11.5], 10, 22))
    return tuple(Scenario(f"SS {dose['SS']}, lag and overlapping infusions", (dose,), expected, lag) for dose in doses)
