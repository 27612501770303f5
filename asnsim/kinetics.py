"""Rate laws and transport mechanisms, written once and used by every biology module.

All take SymPy expressions and return SymPy expressions. Concentrations and constants in the same unit; a `Vmax` in
concentration per time gives a rate in concentration per time, to be multiplied by a volume by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy

__all__ = ["antiport_fluxes", "hill", "michaelis_menten", "ordered_ping_pong", "saturable_carrier", "smooth_positive"]


def michaelis_menten(substrate, Vmax, Km):
    """Return ``Vmax * S / (Km + S)`` (Michaelis & Menten 1913)."""
    return Vmax * substrate / (Km + substrate)


def hill(x, K, n):
    """Return ``(x/K)^n / (1 + (x/K)^n)``; the scaled form keeps a variable exponent on a pure number."""
    scaled = (x / K) ** n
    return scaled / (1 + scaled)


def smooth_positive(x, width):
    """Return ``max(x, 0)`` with a kink rounded over `width`; ``sqrt`` form, differentiable everywhere."""
    return (x + sympy.sqrt(x**2 + width**2)) / 2


def saturable_carrier(outside, inside, Vmax, K):
    """Return the net inward flux of a facilitative carrier with the same K on both sides.

    ``Vmax * (a/(1+a) - c/(1+c))`` with ``a = outside/K`` and ``c = inside/K``: half saturated at K on either side, so it
    can export from a pool of tens of umol/L without emptying a pool of mmol/L.
    """
    return Vmax * (outside / (K + outside) - inside / (K + inside))


def ordered_ping_pong(
    kcat, enzyme, aspartate, glutamine, atp, asparagine, glutamate, Km_asp, Km_gln, Km_atp, Ki_asn, Ki_glu, eps, uncompetitive=0
):
    """Return the rate of asparagine synthetase, concentration per time.

    Irreversible ordered bi-uni-uni-ter ping-pong with product inhibition (Markin, Luehr & Schuster 1981, Biochemistry:
    bovine pancreas; Gln and ATP bind first, glutamate leaves, aspartate follows). Multiplied through by the substrates, with
    a vanishing constant term (`eps`, about 1e-9), so that exhausted substrates give zero instead of 0/0. `uncompetitive` is
    the concentration over Ki of an inhibitor that binds the enzyme with all its substrates: it multiplies the constant term.
    """
    denominator = (
        aspartate * glutamine * atp * (1 + uncompetitive)
        + Km_asp * (1 + asparagine / Ki_asn) * glutamine * atp
        + Km_gln * (1 + glutamate / Ki_glu) * aspartate * atp
        + Km_atp * aspartate * glutamine
        + Km_gln * Km_atp * aspartate
        + eps * Km_asp * Km_gln * Km_atp
    )
    return kcat * enzyme * aspartate * glutamine * atp / denominator


def antiport_fluxes(outside: Mapping, inside: Mapping, free, Vmax) -> dict[tuple[str, str], tuple[sympy.Expr, sympy.Expr]]:
    """Return net flux and backward flux of an obligate 1:1 antiporter, one pair per unordered pair of substrates.

    ``Vmax * (e_i c_j - c_i e_j) / free`` is the flux of i inward against j outward, with e and c the scaled concentrations
    outside and inside, E and C their sums and ``free = E (1 + C) + C (1 + E) + eps``. Summed over partners it is
    ``J_i = Vmax (e_i C - c_i E) / free``, so ``sum_i J_i = 0`` identically; with one K_in/K_out ratio per carrier the
    equilibrium is that of a passive exchange (no pump).
    """
    names = list(outside)
    return {
        (i, j): (Vmax * (outside[i] * inside[j] - inside[i] * outside[j]) / free, Vmax * inside[i] * outside[j] / free)
        for position, i in enumerate(names)
        for j in names[position + 1 :]
    }
