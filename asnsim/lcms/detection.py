"""Ion source, isotopes and detector: from what elutes to counts per second."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from asnsim.chromatogram import Chromatogram, Transition
from asnsim.isotopes import cross_talk
from asnsim.lcms.draws import Draws
from asnsim.lcms.gradient import relative_width
from asnsim.lcms.protocol import Protocol
from asnsim.lcms.separation import emg, schedule

__all__ = ["Channels", "acquire", "dead_time_loss"]

FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))  # of a Gaussian, in standard deviations


@dataclass(frozen=True, slots=True)
class Channels:
    """The channels of a method with the species that reach each of them.

    Parameters
    ----------
    transitions : tuple of Transition
        All channels, in the order they are written.
    sources : tuple of tuple of (int, bool, float)
        Per channel: analyte index, whether it is the labelled form, and its signal relative to its own quantifier channel.
    """

    transitions: tuple[Transition, ...]
    sources: tuple[tuple[tuple[int, bool, float], ...], ...]

    @classmethod
    def of(cls, protocol: Protocol) -> Channels:
        """Work out which species show up in which channel, from formulas and natural isotopes."""
        transitions = tuple(item for analyte in protocol.analytes for item in analyte.transitions)
        purity = protocol.method["acquisition"]["label_purity"]
        paths = []
        for index, analyte in enumerate(protocol.analytes):
            paths.append((index, False, analyte.light(), 1.0))
            paths.append((index, True, analyte.heavy(purity), 1.0))
            if analyte.qualifier_product:
                paths.append((index, False, analyte.light(qualifier=True), analyte.qualifier_ratio))
        sources = []
        for channel in transitions:
            found = ((i, heavy, branch * cross_talk(species, channel.q1, channel.q3)) for i, heavy, species, branch in paths)
            sources.append(tuple((i, heavy, weight) for i, heavy, weight in found if weight > 1e-9))
        return cls(transitions, tuple(sources))


def dead_time_loss(rate: np.ndarray, dead_time: float) -> np.ndarray:
    """Return the rate a non-paralysable detector reports: lambda/(1 + lambda tau).

    Parameters
    ----------
    rate : ndarray, shape (n,)
        True rate, counts/s.
    dead_time : float
        tau, s.
    """
    return rate / (1.0 + rate * dead_time)


@dataclass(frozen=True, slots=True)
class Conditions:
    """State of LC and source during one injection; arrays have shape (n_analytes,).

    Parameters
    ----------
    retention : ndarray
        s.
    sigma, tau : float
        Width and tail of a peak under the listed gradient, s.
    matrix_factor, residual : ndarray
        Of the analytes, and of their internal standards on top of it.
    gain : float
        Of the injection.
    width : ndarray
        Width of each peak over the listed one; 1 where the method runs the gradient and flow of its table.
    """

    retention: np.ndarray
    sigma: float
    tau: float
    matrix_factor: np.ndarray
    residual: np.ndarray
    gain: float
    width: np.ndarray


def conditions(position: int, protocol: Protocol, factor: float, vial_draws: Draws, draws: Draws) -> Conditions:
    """Draw retention, width, matrix factors (around a mean `factor`) and gain of one injection.

    Matrix factors belong to the vial, the rest to the injection; both come from their own place in the seed tree.
    """
    lc, esi, injection = protocol.bench["lc"], protocol.bench["esi"], protocol.bench["injection"]
    n = len(protocol.analytes)
    slow = 0.0 if draws.ideal else position / 100.0
    retention = (
        np.array([analyte.rt for analyte in protocol.analytes]) + lc["rt_drift_s"] * slow + draws.normal(lc["rt_sd_s"], (n,))
    )
    expected = protocol.method["integration"]["fwhm_s"] / FWHM
    sigma = expected * lc["width_ratio"] * draws.lognormal(lc["width_cv"])
    gain = draws.lognormal(injection["volume_cv"]) * (1.0 + injection["sensitivity_drift"] * slow)
    factors = factor * vial_draws.lognormal(esi["matrix_cv"], (n,))
    residual = vial_draws.lognormal(esi["residual_cv"], (n,))
    method_lc = protocol.method.get("lc")
    width = np.array([relative_width(analyte.rt, method_lc) if method_lc else 1.0 for analyte in protocol.analytes])
    return Conditions(retention, sigma, lc["tau_over_sigma"] * sigma, factors, residual, gain, width)


def acquire(
    light: np.ndarray, heavy: np.ndarray, state: Conditions, channels: Channels, protocol: Protocol, draws: Draws
) -> tuple[Chromatogram, ...]:
    """Record all channels of one injection.

    The source gives rate = response c MF/(1 + sum c/c_sat), where the sum runs over everything that elutes at that instant, so
    light and IS are suppressed alike. Spray noise multiplies every point and is only weakly shared by light and IS. The
    detector loses counts to its dead time, counts with variance F mu, and stores 32-bit floats, as real instruments do.

    Parameters
    ----------
    light, heavy : ndarray, shape (n_analytes,)
        What is injected, umol/L on the calibrators' scale.
    state : Conditions
        Retention, width, matrix factors, gain.
    channels : Channels
        Transitions and their sources.
    protocol : Protocol
        Method and bench.
    draws : Draws
        Random numbers of this injection.
    """
    acquisition, detector, esi = protocol.method["acquisition"], protocol.bench["detector"], protocol.bench["esi"]
    dead_time = acquisition["dead_time_ns"] * 1e-9
    times = schedule(
        channels.transitions,
        acquisition["pause_ms"] * 1e-3,
        acquisition["cycle_s"],
        acquisition["cycle_variation"],
        draws.uniform(),
    )
    peak_height = emg(np.array([state.tau]), 0.0, state.sigma, state.tau)[0]  # close to the apex; only scales the saturation term
    response = np.array([analyte.response for analyte in protocol.analytes])
    shared_noise: dict[str, np.ndarray] = {}
    out = []
    for channel, sources, t in zip(channels.transitions, channels.sources, times, strict=True):
        near = np.flatnonzero((state.retention > t[0] - 60.0) & (state.retention < t[-1] + 60.0))
        shape = {i: emg(t, state.retention[i], state.sigma * state.width[i], state.tau * state.width[i]) for i in near}
        crowd = sum(((light[i] + heavy[i]) * shape[i] for i in near), np.zeros_like(t)) / peak_height
        rate = np.zeros_like(t)
        for i, is_heavy, weight in sources:
            if i in shape:
                amount = heavy[i] * state.residual[i] if is_heavy else light[i]
                rate += weight * response[i] * amount * state.matrix_factor[i] * state.gain * shape[i]
        rate = rate / (1.0 + crowd / esi["saturation"]) + detector["baseline_cps"] + detector["dark_cps"]
        if not draws.ideal:
            common = shared_noise.setdefault(channel.analyte, draws.normal(1.0, t.shape))
            rho = detector["spray_correlation"]
            mixed = np.sqrt(rho) * common + np.sqrt(1.0 - rho) * draws.normal(1.0, t.shape)
            rate = rate * np.maximum(1.0 + detector["spray"] * mixed, 0.0)
        seen = dead_time_loss(rate, dead_time)
        counts = draws.counts(seen * channel.dwell, detector["poisson_factor"])
        sign = channel.polarity
        native = f"{sign} SRM SIC Q1={channel.q1:g} Q3={channel.q3:g} {channel.id}"
        stored = (counts / channel.dwell).astype(np.float32).astype(float)
        out.append(Chromatogram(native, channel.q1, channel.q3, sign, channel.collision_energy, channel.dwell, t, stored))
    return tuple(out)
