"""Stiff problems with published references, for every solver: kernels, starts, ends and where each number comes from.

Every reference was computed again for this file, in quadruple precision (ring modulator: 64-bit mantissa), by Radau IIA of order 9
whose steps were held by its difference to order 5, at two tolerances; "verified" in a source note means agreement with that run.
All but the late E5, where doubles do not suffice, agree with SciPy's Radau at rtol 1e-11, too (ring modulator: 1e-9, to 8 digits).
A published number that such a run contradicts is not kept, and the note says so. The kernels are Numba C functions as in
``asnsim/solvers/_kernels.py``; they write what is not zero.

References
----------
.. [1] Mazzia & Magherini 2008, Test Set for Initial Value Problem Solvers, release 2.4, University of Bari (problems rober, hires,
   vdpol, orego, pollu, e5, ringmod; references in their ``solut`` subroutines).
.. [2] Hairer & Wanner 1996, Solving Ordinary Differential Equations II, 2nd ed., section IV.10 (problems VDPOL, ROBER, OREGO,
   HIRES, E5); the authors' Geneva test set tabulates E5 at t = 10, 1e3, ..., 1e13.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import carray, cfunc, types

from asnsim.solvers import Kernels

POINTER = types.CPointer(types.float64)
KERNEL = types.void(types.float64, POINTER, POINTER, POINTER)


@dataclass(frozen=True)
class Problem:
    """One initial value problem.

    Parameters
    ----------
    name : str
    rhs, jac : Numba cfunc
        Right-hand side and Jacobian; ``rhs.__wrapped__`` is the Python function, which also takes complex numbers.
    x0 : tuple of float
        State at t = 0.
    c : tuple of float
        Constants that the kernels read.
    t_end : float
    reference : tuple of float
        State at `t_end`.
    atol : tuple of float
        Absolute tolerance per state in units of rtol: below this size a state counts as zero, in the run and in its error.
    source : str
        Where the reference comes from, and how many digits a computation confirmed.
    dfdt : Numba cfunc, optional
        Derivative of rhs in time; none where time does not occur.
    """

    name: str
    rhs: Any
    jac: Any
    x0: tuple[float, ...]
    c: tuple[float, ...]
    t_end: float
    reference: tuple[float, ...]
    atol: tuple[float, ...]
    source: str
    dfdt: Any = None

    @property
    def kernels(self) -> Kernels:
        dfdt = self.dfdt.address if self.dfdt else 0
        return Kernels(len(self.x0), 0, self.rhs.address, self.jac.address, dfdt=dfdt)

    def error(self, x) -> float:
        """Largest error of the end state `x`, relative to the reference plus `atol`."""
        reference = np.array(self.reference)
        return float(np.max(np.abs(x - reference) / (np.abs(reference) + self.atol)))


# ---- Robertson ----------------------------------------------------------------------------------------------------------


@cfunc(KERNEL)
def robertson_rhs(t, x, c, f):
    a, b, e = c[0] * x[0], c[1] * x[1] * x[2], c[2] * x[1] * x[1]
    f[0], f[1], f[2] = b - a, a - b - e, e


@cfunc(KERNEL)
def robertson_jac(t, x, c, J):
    J[0], J[1], J[2] = -c[0], c[1] * x[2], c[1] * x[1]
    J[3], J[4], J[5] = c[0], -c[1] * x[2] - 2 * c[2] * x[1], -c[1] * x[1]
    J[7] = 2 * c[2] * x[1]


# ---- HIRES --------------------------------------------------------------------------------------------------------------


@cfunc(KERNEL)
def hires_rhs(t, y, c, f):
    f[0] = -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007
    f[1] = 1.71 * y[0] - 8.75 * y[1]
    f[2] = -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4]
    f[3] = 8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3]
    f[4] = -1.745 * y[4] + 0.43 * y[5] + 0.43 * y[6]
    f[5] = -280 * y[5] * y[7] + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6]
    f[6] = 280 * y[5] * y[7] - 1.81 * y[6]
    f[7] = -280 * y[5] * y[7] + 1.81 * y[6]


@cfunc(KERNEL)
def hires_jac(t, y, c, J):
    K = carray(J, (8, 8))
    K[0, 0], K[0, 1], K[0, 2] = -1.71, 0.43, 8.32
    K[1, 0], K[1, 1] = 1.71, -8.75
    K[2, 2], K[2, 3], K[2, 4] = -10.03, 0.43, 0.035
    K[3, 1], K[3, 2], K[3, 3] = 8.32, 1.71, -1.12
    K[4, 4], K[4, 5], K[4, 6] = -1.745, 0.43, 0.43
    K[5, 3], K[5, 4], K[5, 5], K[5, 6], K[5, 7] = 0.69, 1.71, -0.43 - 280 * y[7], 0.69, -280 * y[5]
    K[6, 5], K[6, 6], K[6, 7] = 280 * y[7], -1.81, 280 * y[5]
    K[7, 5], K[7, 6], K[7, 7] = -280 * y[7], 1.81, -280 * y[5]


# ---- Van der Pol --------------------------------------------------------------------------------------------------------


@cfunc(KERNEL)
def vdpol_rhs(t, y, c, f):  # eps = c = 1/mu^2, time in units of mu
    f[0], f[1] = y[1], ((1 - y[0] * y[0]) * y[1] - y[0]) / c[0]


@cfunc(KERNEL)
def vdpol_jac(t, y, c, J):
    J[1], J[2], J[3] = 1.0, (-2 * y[0] * y[1] - 1) / c[0], (1 - y[0] * y[0]) / c[0]


# ---- Oregonator ---------------------------------------------------------------------------------------------------------


@cfunc(KERNEL)
def orego_rhs(t, y, c, f):
    f[0] = 77.27 * (y[1] - y[0] * y[1] + y[0] - 8.375e-6 * y[0] * y[0])
    f[1] = (-y[1] - y[0] * y[1] + y[2]) / 77.27
    f[2] = 0.161 * (y[0] - y[2])


@cfunc(KERNEL)
def orego_jac(t, y, c, J):
    J[0], J[1] = 77.27 * (-y[1] + 1 - 2 * 8.375e-6 * y[0]), 77.27 * (1 - y[0])
    J[3], J[4], J[5] = -y[1] / 77.27, (-1 - y[0]) / 77.27, 1 / 77.27
    J[6], J[8] = 0.161, -0.161


# ---- E5: pyrolysis over 13 decades of time -----------------------------------------------------------------------------


@cfunc(KERNEL)
def e5_rhs(t, y, c, f):  # c: A, B, M C, C of [1]; f[2] as the difference of two others keeps y2 = y3 + y4 to rounding
    p1, p2, p3, p4 = c[0] * y[0], c[1] * y[0] * y[2], c[2] * y[1] * y[2], c[3] * y[3]
    f[0], f[1], f[3] = -p1 - p2, p1 - p3, p2 - p4
    f[2] = f[1] - f[3]


@cfunc(KERNEL)
def e5_jac(t, y, c, J):
    K = carray(J, (4, 4))
    K[0, 0], K[0, 2] = -c[0] - c[1] * y[2], -c[1] * y[0]
    K[1, 0], K[1, 1], K[1, 2] = c[0], -c[2] * y[2], -c[2] * y[1]
    K[2, 0], K[2, 1], K[2, 2], K[2, 3] = c[0] - c[1] * y[2], -c[2] * y[2], -c[1] * y[0] - c[2] * y[1], c[3]
    K[3, 0], K[3, 2], K[3, 3] = c[1] * y[2], c[1] * y[0], -c[3]


# ---- POLLU: 25 reactions of 20 air pollutants ---------------------------------------------------------------------------

# Reactants and products, as in the reaction scheme of [1], species counted from 1; the constants c are its k1 ... k25.
POLLU_REACTIONS = (
    ((1,), (2, 3)), ((2, 4), (1,)), ((5, 2), (6, 1)), ((7,), (5, 5, 8)), ((7,), (8,)), ((7, 6), (8, 5)), ((9,), (10, 8, 5)),
    ((9, 6), (11,)), ((11, 2), (10, 1, 12)), ((11, 1), (13,)), ((13,), (11, 1)), ((10, 2), (14, 1)), ((14,), (7, 5)),
    ((1, 6), (15,)), ((3,), (4,)), ((4,), (16,)), ((4,), (3,)), ((16,), (6, 6)), ((16,), (3,)), ((17, 6), (5, 18)),
    ((19,), (2,)), ((19,), (1, 3)), ((1, 4), (19,)), ((19, 1), (20,)), ((20,), (19, 1)),
)  # fmt: skip
POLLU_RATES = (
    0.35, 26.6, 1.23e4, 8.6e-4, 8.2e-4, 1.5e4, 1.3e-4, 2.4e4, 1.65e4, 9e3, 0.022, 1.2e4, 1.88,
    1.63e4, 4.8e6, 3.5e-4, 0.0175, 1e8, 4.44e11, 1240.0, 2.1, 5.78, 0.0474, 1780.0, 3.12,
)  # fmt: skip


def _stoichiometry():
    """Net change (25, 20) of every species in every reaction."""
    net = np.zeros((len(POLLU_REACTIONS), 20))
    for row, (reactants, products) in zip(net, POLLU_REACTIONS, strict=True):
        for species in reactants:
            row[species - 1] -= 1
        for species in products:
            row[species - 1] += 1
    return net


POLLU_NET = _stoichiometry()
POLLU_FIRST = np.array([reactants[0] - 1 for reactants, _ in POLLU_REACTIONS])
POLLU_SECOND = np.array([reactants[1] - 1 if len(reactants) == 2 else -1 for reactants, _ in POLLU_REACTIONS])


@cfunc(KERNEL)
def pollu_rhs(t, y, c, f):
    for i in range(20):
        f[i] = 0.0
    for r in range(25):
        rate = c[r] * y[POLLU_FIRST[r]]
        if POLLU_SECOND[r] >= 0:
            rate *= y[POLLU_SECOND[r]]
        for i in range(20):
            f[i] += POLLU_NET[r, i] * rate


@cfunc(KERNEL)
def pollu_jac(t, y, c, J):
    for q in range(400):
        J[q] = 0.0
    for r in range(25):
        one, two = POLLU_FIRST[r], POLLU_SECOND[r]
        for i in range(20):
            J[20 * i + one] += POLLU_NET[r, i] * c[r] * (y[two] if two >= 0 else 1.0)
            if two >= 0:
                J[20 * i + two] += POLLU_NET[r, i] * c[r] * y[one]


# ---- Ring modulator -----------------------------------------------------------------------------------------------------

GAMMA, DELTA = 40.67286402e-9, 17.7493332  # of the diodes: current GAMMA (exp(DELTA U) - 1)
C, CS, CP, R, RP, LH, LS1, LS23 = 1.6e-8, 2e-12, 1e-8, 25e3, 50.0, 4.45, 2e-3, 5e-4
RG1, RG23, RI, RC = 36.3, 17.3, 50.0, 600.0


@cfunc(KERNEL)
def ring_rhs(t, y, c, f):
    u1, u2 = 0.5 * np.sin(2e3 * np.pi * t), 2 * np.sin(2e4 * np.pi * t)
    q1 = GAMMA * (np.exp(DELTA * (y[2] - y[4] - y[6] - u2)) - 1)
    q2 = GAMMA * (np.exp(DELTA * (-y[3] + y[5] - y[6] - u2)) - 1)
    q3 = GAMMA * (np.exp(DELTA * (y[3] + y[4] + y[6] + u2)) - 1)
    q4 = GAMMA * (np.exp(DELTA * (-y[2] - y[5] + y[6] + u2)) - 1)
    f[0] = (y[7] - 0.5 * y[9] + 0.5 * y[10] + y[13] - y[0] / R) / C
    f[1] = (y[8] - 0.5 * y[11] + 0.5 * y[12] + y[14] - y[1] / R) / C
    f[2], f[3] = (y[9] - q1 + q4) / CS, (-y[10] + q2 - q3) / CS
    f[4], f[5] = (y[11] + q1 - q3) / CS, (-y[12] - q2 + q4) / CS
    f[6] = (-y[6] / RP + q1 + q2 - q3 - q4) / CP
    f[7], f[8] = -y[0] / LH, -y[1] / LH
    f[9], f[10] = (0.5 * y[0] - y[2] - RG23 * y[9]) / LS23, (-0.5 * y[0] + y[3] - RG23 * y[10]) / LS23
    f[11], f[12] = (0.5 * y[1] - y[4] - RG23 * y[11]) / LS23, (-0.5 * y[1] + y[5] - RG23 * y[12]) / LS23
    f[13], f[14] = (-y[0] + u1 - (RI + RG1) * y[13]) / LS1, (-y[1] - (RC + RG1) * y[14]) / LS1


@cfunc(KERNEL)
def ring_jac(t, y, c, J):
    K, u2 = carray(J, (15, 15)), 2 * np.sin(2e4 * np.pi * t)
    d1 = GAMMA * DELTA * np.exp(DELTA * (y[2] - y[4] - y[6] - u2))
    d2 = GAMMA * DELTA * np.exp(DELTA * (-y[3] + y[5] - y[6] - u2))
    d3 = GAMMA * DELTA * np.exp(DELTA * (y[3] + y[4] + y[6] + u2))
    d4 = GAMMA * DELTA * np.exp(DELTA * (-y[2] - y[5] + y[6] + u2))
    for i in range(2):  # the two transformers' outer windings
        K[i, i], K[i, 7 + i], K[i, 9 + 2 * i], K[i, 10 + 2 * i], K[i, 13 + i] = -1 / (R * C), 1 / C, -0.5 / C, 0.5 / C, 1 / C
        K[7 + i, i], K[13 + i, i] = -1 / LH, -1 / LS1
        K[9 + 2 * i, i], K[9 + 2 * i, 2 + 2 * i], K[9 + 2 * i, 9 + 2 * i] = 0.5 / LS23, -1 / LS23, -RG23 / LS23
        K[10 + 2 * i, i], K[10 + 2 * i, 3 + 2 * i], K[10 + 2 * i, 10 + 2 * i] = -0.5 / LS23, 1 / LS23, -RG23 / LS23
    K[13, 13], K[14, 14] = -(RI + RG1) / LS1, -(RC + RG1) / LS1
    K[2, 2], K[2, 4], K[2, 5], K[2, 6], K[2, 9] = (-d1 - d4) / CS, d1 / CS, -d4 / CS, (d1 + d4) / CS, 1 / CS
    K[3, 3], K[3, 4], K[3, 5], K[3, 6], K[3, 10] = (-d2 - d3) / CS, -d3 / CS, d2 / CS, (-d2 - d3) / CS, -1 / CS
    K[4, 2], K[4, 3], K[4, 4], K[4, 6], K[4, 11] = d1 / CS, -d3 / CS, (-d1 - d3) / CS, (-d1 - d3) / CS, 1 / CS
    K[5, 2], K[5, 3], K[5, 5], K[5, 6], K[5, 12] = -d4 / CS, d2 / CS, (-d2 - d4) / CS, (d2 + d4) / CS, -1 / CS
    K[6, 2], K[6, 3], K[6, 4], K[6, 5] = (d1 + d4) / CP, (-d2 - d3) / CP, (-d1 - d3) / CP, (d2 + d4) / CP
    K[6, 6] = (-1 / RP - d1 - d2 - d3 - d4) / CP


@cfunc(KERNEL)
def ring_dfdt(t, y, c, f):
    u2, slope1, slope2 = 2 * np.sin(2e4 * np.pi * t), 1e3 * np.pi * np.cos(2e3 * np.pi * t), 4e4 * np.pi * np.cos(2e4 * np.pi * t)
    d1 = GAMMA * DELTA * np.exp(DELTA * (y[2] - y[4] - y[6] - u2))
    d2 = GAMMA * DELTA * np.exp(DELTA * (-y[3] + y[5] - y[6] - u2))
    d3 = GAMMA * DELTA * np.exp(DELTA * (y[3] + y[4] + y[6] + u2))
    d4 = GAMMA * DELTA * np.exp(DELTA * (-y[2] - y[5] + y[6] + u2))
    f[2], f[3] = slope2 * (d1 + d4) / CS, slope2 * (-d2 - d3) / CS
    f[4], f[5] = slope2 * (-d1 - d3) / CS, slope2 * (d2 + d4) / CS
    f[6], f[13] = slope2 * (-d1 - d2 - d3 - d4) / CP, slope1 / LS1


# ---- the problems -------------------------------------------------------------------------------------------------------

RATES = (0.04, 1e4, 3e7)
PYROLYSIS = (7.89e-10, 1.1e7, 1.13e9, 1.13e3)

PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem(
            "rober 40",
            robertson_rhs,
            robertson_jac,
            (1.0, 0.0, 0.0),
            RATES,
            40.0,
            (0.715827068719405, 9.18553476455786e-6, 0.284163745745830),
            (1e-8, 1e-14, 1e-8),
            "[2] for the problem; reference computed here, 15 digits.",
        ),
        Problem(
            "rober",
            robertson_rhs,
            robertson_jac,
            (1.0, 0.0, 0.0),
            RATES,
            1e11,
            (0.2083340149701255e-7, 0.8333360770334713e-13, 0.9999999791665050),
            (1e-10, 1e-16, 1e-10),
            "[1], rober; verified to 11 digits.",
        ),
        Problem(
            "hires",
            hires_rhs,
            hires_jac,
            (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057),
            (0.0,),
            321.8122,
            (
                0.7371312573325668e-3, 0.1442485726316185e-3, 0.5888729740967575e-4, 0.1175651343283149e-2,
                0.2386356198831331e-2, 0.6238968252742796e-2, 0.2849998395185769e-2, 0.2850001604814231e-2,
            ),
            (1e-6,) * 8,
            "[1], hires; verified to 15 digits.",
        ),
        Problem(
            "vdpol",
            vdpol_rhs,
            vdpol_jac,
            (2.0, 0.0),
            (1e-6,),
            2.0,
            (0.1706167732170483e1, -0.8928097010247975),
            (1e-2,) * 2,
            "[1], vdpol: mu = 1000 with time in units of mu, t = 2000 before scaling; verified to 13 digits.",
        ),
        Problem(
            "orego",
            orego_rhs,
            orego_jac,
            (1.0, 2.0, 3.0),
            (0.0,),
            360.0,
            (0.1000814870318523e1, 0.1228178521549917e4, 0.1320554942846706e3),
            (1e-2,) * 3,
            "[1], orego; verified to 13 digits.",
        ),
        Problem(
            "pollu",
            pollu_rhs,
            pollu_jac,
            (0, 0.2, 0, 0.04, 0, 0, 0.1, 0.3, 0.01, 0, 0, 0, 0, 0, 0, 0, 0.007, 0, 0, 0),
            POLLU_RATES,
            60.0,
            (
                0.5646255480022769e-1, 0.1342484130422339, 0.4139734331099427e-8, 0.5523140207484359e-2, 0.2018977262302196e-6,
                0.1464541863493966e-6, 0.7784249118997964e-1, 0.3245075353396018, 0.7494013383880406e-2, 0.1622293157301561e-7,
                0.1135863833257075e-7, 0.2230505975721359e-2, 0.2087162882798630e-3, 0.1396921016840158e-4, 0.8964884856898295e-2,
                0.4352846369330103e-17, 0.6899219696263405e-2, 0.1007803037365946e-3, 0.1772146513969984e-5, 0.5682943292316392e-4,
            ),
            (1e-10,) * 15 + (1e-19,) + (1e-10,) * 4,
            "[1], pollu; verified to 14 digits.",
        ),
        Problem(
            "e5 early",
            e5_rhs,
            e5_jac,
            (1.76e-3, 0.0, 0.0, 0.0),
            PYROLYSIS,
            1e5,
            (7.4813208224292220114e-6, 2.3734781561205975019e-12, 2.2123586689581663654e-12, 1.6111948716243113653e-13),
            (1e-24,) * 4,
            "[2], table of the Geneva test set; verified to 16 digits.",
        ),
        Problem(
            "e5",
            e5_rhs,
            e5_jac,
            (1.76e-3, 0.0, 0.0, 0.0),
            PYROLYSIS,
            1e11,
            (3.76930821974e-49, 1.01925825681427e-20, 1.01925825681427e-20, 3.7399e-65),
            (1e-24,) * 4,
            "[2] for the problem; reference computed here, 14 digits. The Geneva test set tabulates 1.01925825677e-20 (10 digits "
            "agree) and y1 = 3.81e-49, off by 1 % as an independent integration of ln y1 showed; y1 and y4 count as zero here.",
        ),
        Problem(
            "e5 late",
            e5_rhs,
            e5_jac,
            (1.76e-3, 0.0, 0.0, 0.0),
            PYROLYSIS,
            1e13,
            (0.0, 8.86123352129e-23, 8.86123352129e-23, 0.0),
            (1e-26,) * 4,
            "[2] for the problem; reference computed here, 11 digits; the Geneva test set tabulates 8.861233498e-23 (8 digits agree). "
            "Release 2.4 of [1] has y2 = 8.8677e-23 and y3 = 8.8548e-23, which cannot be: y2 = y3 + y4 holds and y4 is zero.",
        ),
        Problem(
            "ring",
            ring_rhs,
            ring_jac,
            (0.0,) * 15,
            (0.0,),
            1e-3,
            (
                -0.2339057358486745e-1, -0.7367485485540825e-2, 0.2582956709291169, -0.4064465721283450, -0.4039455665149794,
                0.2607966765422943, 0.1106761861269975, 0.2939904342435596e-6, -0.2840029933642329e-7, 0.7267198267264553e-3,
                0.7929487196960840e-3, -0.7255283495698965e-3, -0.7941401968526521e-3, 0.7088495416976114e-4, 0.2390059075236570e-4,
            ),
            (1e-2,) * 7 + (1e-7,) * 2 + (1e-5,) * 6,
            "[1], ringmod with Cs = 2e-12; verified to 9 digits.",
            dfdt=ring_dfdt,
        ),
    )
}  # fmt: skip
