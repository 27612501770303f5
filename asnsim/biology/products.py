"""Asparaginases other than pegaspargase in plasma, antibodies that clear any of them, and the sample tube."""

from __future__ import annotations

import sympy

from asnsim.network import Module, symbols

__all__ = [
    "anti_peg_igm",
    "asnase_antibodies",
    "asnase_rylaze",
    "asnase_split_clearance",
    "asnase_two_compartment",
    "sample_tube",
]


def _size(of: str):
    """Return how clearance (``'CL'``) or volume (``'V'``) follows body size: a power of weight times a power of body surface.

    Allometry of weight has a body surface exponent of 0, a published linear body surface one of 1 and a weight exponent of 0.
    """
    weight, bsa = symbols("weight bsa")
    heavy, large = symbols("asnase_weight_reference asnase_bsa_reference")
    by_weight, by_bsa = symbols(f"asnase_{of}_weight_exponent asnase_{of}_bsa_exponent")
    return (weight / heavy) ** by_weight * (bsa / large) ** by_bsa


def asnase_two_compartment() -> Module:
    """Native or recombinant E. coli enzyme, crisantaspase IV, calaspargase: two compartments, and a depot for IM doses.

    Borghorst 2009, Blood 114(22) abstract 4803 (native); Voller 2017, Cancer Chemother Pharmacol, doi 10.1007/s00280-017-3492-5
    (recombinant); Sassen 2017, Haematologica 102, 552 (crisantaspase); the calaspargase numbers are derived from its label.

    Amounts, U. An IV dose goes into `asnase_central`, an IM dose into `asnase_depot`; of the latter the fraction F arrives.
    `asnase_cleared` closes the balance of the dose. `asnase_CL_occasion` is the published change of clearance in a period of
    treatment, `ada_clearance_factor` the fold by antibodies.
    """
    depot, central, peripheral, k_a, F = symbols("asnase_depot asnase_central asnase_peripheral asnase_ka asnase_F_im")
    V1, V2, CL, Q = symbols("asnase_V1 asnase_V2 asnase_CL asnase_Q")
    v1, v2, cl, q, occasion, antibodies = symbols(
        "asnase_V1_reference asnase_V2_reference asnase_CL_reference asnase_Q_reference asnase_CL_occasion ada_clearance_factor"
    )
    rules = {
        "asnase_V1": v1 * _size("V"),
        "asnase_V2": v2 * _size("V"),
        "asnase_CL": cl * _size("CL") * (1 + occasion) * antibodies,
        "asnase_Q": q * _size("CL"),
        "asnase_p": central / V1,
    }
    rates = {
        "asnase_depot": -k_a * depot,
        "asnase_central": F * k_a * depot - (CL + Q) / V1 * central + Q / V2 * peripheral,
        "asnase_peripheral": Q / V1 * central - Q / V2 * peripheral,
        "asnase_cleared": CL / V1 * central + (1 - F) * k_a * depot,
    }
    return Module("asnase_two_compartment", (), rules, rates, note="two compartments and a depot for IM doses")


def asnase_rylaze() -> Module:
    """Recombinant Erwinia enzyme (JZP458) IM: constant release from the site, first-order absorption, one compartment.

    Lin 2023, Clin Transl Sci 16, 898.

    The dose goes into `asnase_site` and is used up at R1/F while it lasts (for F*dose/R1, some hours); the share F of it
    enters `asnase_depot` at R1. The end of that release is smooth: it slows down when `asnase_site_smoothing` is left. The
    volume is one of absorption: not for IV doses. `asnase_mass_p` is the enzyme in plasma by weight, as doses are given.
    """
    site, little, R1, F, depot, k_a, central = symbols(
        "asnase_site asnase_site_smoothing asnase_R1 asnase_F_im asnase_depot asnase_ka asnase_central"
    )
    V, CL, activity = symbols("asnase_V1 asnase_CL asnase_p")
    v, cl, black, f_black, t_all, f_t_all, antibodies, units_per_mass = symbols(
        "asnase_V1_reference asnase_CL_reference black asnase_CL_black t_all asnase_CL_t_all ada_clearance_factor "
        "asnase_specific_activity"
    )
    release = R1 * site / (site + little)
    rules = {
        "asnase_V1": v * _size("V"),
        "asnase_CL": cl * _size("CL") * f_black**black * f_t_all**t_all * antibodies,
        "asnase_p": central / V,
        "asnase_mass_p": activity / units_per_mass,
    }
    rates = {
        "asnase_site": -release / F,
        "asnase_depot": release - k_a * depot,
        "asnase_central": k_a * depot - CL / V * central,
        "asnase_cleared": CL / V * central + (1 - F) / F * release,
    }
    return Module("asnase_rylaze", (), rules, rates, note="constant release then first-order absorption, Lin 2023")


def anti_peg_igm() -> Module:
    """IgM against PEG before the first dose raises its clearance, from a level on; Siebel 2022, Wuerthwein 2025.

    ``1 + effect max(ln IgM - cut, 0)``, IgM as median fluorescence (MFI). It acts on the first dose: at the second a change of
    condition sets `peg_igm_effect` to 0.
    """
    igm, effect, cut = symbols("peg_igm peg_igm_effect peg_igm_cut")
    above = sympy.Piecewise((sympy.log(igm) - cut, sympy.log(igm) > cut), (0, True))
    return Module("anti_peg_igm", (), {"peg_igm_factor": 1 + effect * above}, note="pre-existing antibodies against PEG")


def asnase_split_clearance() -> Module:
    """Pegaspargase IV as one compartment whose clearance grows from a day after the dose on; Kloos 2021, Haematologica 106, 1254.

    ``CL = CL0 (1 + growth max(t - split, 0))``, t being the time since the last dose: `asnase_clock`, which every dose sets to
    0. Valid to about 16 days after a dose.
    """
    central, clock, V, CL, bsa, large = symbols("asnase_central asnase_clock asnase_V1 asnase_CL bsa asnase_bsa_reference")
    v, cl, occasion, phase, infection, infected, growth, split, antibodies = symbols(
        "asnase_V1_reference asnase_CL_reference asnase_CL_occasion asnase_CL_phase asnase_CL_infection infection "
        "asnase_CL_growth asnase_CL_split ada_clearance_factor"
    )
    late = sympy.Piecewise((clock - split, clock > split), (0, True))
    rules = {
        "asnase_V1": v * bsa / large,
        "asnase_CL": cl * bsa / large * (1 + occasion) * phase * infection**infected * antibodies * (1 + growth * late),
        "asnase_p": central / V,
    }
    rates = {
        "asnase_central": -CL / V * central,
        "asnase_clock": sympy.Integer(1),
        "asnase_cleared": CL / V * central,
    }
    note = "one compartment, clearance grows late, Kloos 2021"
    return Module("asnase_split_clearance", (), rules, rates, restarts={"asnase_central": "asnase_clock"}, note=note)


def asnase_antibodies() -> Module:
    """Neutralising antibodies: a level from 0 to 1 that grows by itself and multiplies clearance.

    Logistic growth from `ada_seed`, fast enough that half the level is reached `ada_onset` after the start: no event and no
    explicit time, so that populations still run side by side. A level set to 1 at the start is a patient immunised before.
    Panetta 2009 (PMC2831746) found faster clearance of pegaspargase with antibodies; the size is assumed.
    """
    ada, onset, seed, fold = symbols("ada ada_onset ada_seed ada_clearance_fold")
    return Module(
        "asnase_antibodies",
        (),
        {"ada_clearance_factor": 1 + (fold - 1) * ada},
        {"ada": sympy.log(1 / seed - 1) / onset * ada * (1 - ada)},
        note="antibodies raise clearance",
    )


def sample_tube() -> Module:
    """What the assay finds in plasma: `asn_measured`, after the enzyme has gone on in the sample for `tube_minutes`.

    Integrated Michaelis-Menten, ``Km exp(u)`` with ``exp(u) + u = z = N/Km + ln(N/Km) - E t/Km``. A start within 0.026 of u
    (right at both ends; its two numbers were fitted to the exact solution) and one step of Halley's method leave an error of
    1.5e-6; `asnsim.exposure.hydrolysed_in_tube` has it by the Wright omega function. `tube_capacity` is what the enzyme could
    hydrolyse were it saturated.
    """
    per_unit, drug, minutes, asn, Km = symbols("umol_per_unit_hour asnase_p tube_minutes asn_p Km_asnase_asn")
    capacity, z, grown, start, left = symbols("tube_capacity tube_balance tube_softplus tube_start tube_power")
    scaled = asn / Km + sympy.Float(1e-14)
    miss = left + start - z
    rules = {
        "tube_capacity": per_unit * drug * minutes,
        "tube_balance": scaled + sympy.log(scaled) - capacity / Km,
        "tube_softplus": sympy.log(1 + sympy.exp(z)),
        "tube_start": z - grown + sympy.log(1 + grown**2 / (3.75 + 1.03 * grown)),
        "tube_power": sympy.exp(start),
        "asn_measured": Km * sympy.exp(start - 2 * miss * (left + 1) / (2 * (left + 1) ** 2 - miss * left)),
    }
    return Module("sample_tube", (), rules, note="hydrolysis goes on in the tube: measured against true asparagine")
