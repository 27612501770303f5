"""The body around the cells: pegaspargase in plasma, asparagine in plasma, interstitium and CSF, a perfused marrow."""

from __future__ import annotations

import sympy

from asnsim.kinetics import michaelis_menten
from asnsim.network import Module, Reaction, symbol, symbols

__all__ = ["csf_asparagine", "liver_water", "marrow_perfusion", "pegaspargase", "plasma_asparagine"]

#: De-PEGylation steps of the population model; the structure of Wuerthwein 2021, not a free number.
PEG_STEPS = 14


def pegaspargase() -> Module:
    """Pegaspargase IV/IM: 14 de-PEGylation steps that share a volume, all active.

    Wuerthwein 2021, Eur J Drug Metab Pharmacokinet 46, 289.

    Drug states are amounts (U), because volume and clearance change with the occasion. Every step is cleared by CL, passes
    on by Q, and the last one leaves by Q too. `peg_cleared` closes the balance of the dose. An intramuscular dose goes into
    `peg_depot`. The published slopes with body surface would reach zero at 0.15 m^2 (V) and 0.10 m^2 (CL and Q): below
    `peg_bsa_floor` of the reference they bend and stay positive. `ada_clearance_factor` is the fold by antibodies against the
    enzyme, `peg_igm_factor` that by antibodies against its PEG.
    """
    V, CL, Q, bsa, age, female, floor, antibodies, igm = symbols(
        "peg_V peg_CL peg_Q bsa age female peg_bsa_floor ada_clearance_factor peg_igm_factor"
    )
    ref, v0, cl0, q0, slope_v, slope_cl, slope_age, young, sex = symbols(
        "bsa_reference peg_V_reference peg_CL_reference peg_Q_reference peg_V_bsa_slope peg_CL_bsa_slope peg_CL_age_slope "
        "peg_age_reference peg_CL_female"
    )
    occasion_v, occasion_cl, k_a, depot, F = symbols("peg_V_occasion peg_CL_occasion peg_ka peg_depot peg_F_im")
    older = sympy.Piecewise((age - young, age > young), (0, True))
    size_v, size_cl = (_floored(1 + slope * (bsa - ref), floor) for slope in (slope_v, slope_cl))
    rules = {
        "peg_V": v0 * size_v * (1 + occasion_v),
        "peg_CL": cl0 * size_cl * (1 + slope_age * older) * (1 + sex * female) * (1 + occasion_cl) * antibodies * igm,
        "peg_Q": q0 * size_cl,
    }
    steps = symbols(" ".join(f"peg_{i}" for i in range(1, PEG_STEPS + 1)))
    rates = {"peg_depot": -k_a * depot}
    inflow = F * k_a * depot
    for step in steps:
        rates[step.name] = inflow - (CL + Q) / V * step
        inflow = Q / V * step
    rates["peg_cleared"] = CL / V * sum(steps) + inflow + (1 - F) * k_a * depot
    rules["asnase_p"] = sum(steps) / V
    return Module("pegaspargase", (), rules, rates, note="14-step de-PEGylation, Wuerthwein 2021")


def _floored(x, floor):
    """Return `x` where it exceeds `floor`; below, an exponential of the same value and slope that stays positive."""
    return sympy.Piecewise((x, x > floor), (floor * sympy.exp(x / floor - 1), True))


def plasma_asparagine() -> Module:
    """Plasma and interstitial Asn and Gln with appearance, exchange, use and hydrolysis; the enzyme reaches tissue in part.

    Use by tissue is first order, ``CL_tissue = Ra / interstitial baseline``; as part of what appears does so in plasma, the
    interstitium rests a little below it, by ``plasma_share_of_Ra * Ra / PS``.

    Only Ra*Km/(Vp + phi*Vi) is identifiable from depletion data; the volumes follow body weight.
    """
    weight, v_p, v_i, ra, share, ps, drug, phi = symbols(
        "weight plasma_volume_per_kg interstitium_volume_per_kg Ra_asn plasma_share_of_Ra PS_plasma_tissue asnase_p "
        "tissue_enzyme_share"
    )
    per_unit, Km_asn, Km_gln, glutaminase = symbols("umol_per_unit_hour Km_asnase_asn Km_asnase_gln glutaminase_share")
    plasma, interstitium, ra_gln = symbols("plasma interstitium Ra_gln")
    rules = {
        "plasma": v_p * weight,
        "interstitium": v_i * weight,
        "asnase_e": phi * drug,
    }
    reactions = []
    for aa, product, Km, part, supply in (("asn", "asp", Km_asn, 1, ra), ("gln", "glu", Km_gln, glutaminase, ra_gln)):
        p, i = symbols(f"{aa}_p {aa}_i")
        source = f"$body_{aa}"
        reactions += [
            Reaction(f"{aa}_appearance_p", f"{source} => {aa}_p", share * supply * weight),
            Reaction(f"{aa}_appearance_i", f"{source} => {aa}_i", (1 - share) * supply * weight),
            Reaction(f"{aa}_plasma_tissue", f"{aa}_p -> {aa}_i", ps * weight * (p - i), ps * weight * i),
            Reaction(f"{aa}_tissue_use", f"{aa}_i => {source}", symbol(f"CL_tissue_{aa}") * weight * i),
            Reaction(
                f"asnase_{aa}_p", f"{aa}_p => ${product}_p + $ammonia", michaelis_menten(p, per_unit * drug * part, Km) * plasma
            ),
            Reaction(
                f"asnase_{aa}_i",
                f"{aa}_i => ${product}_p + $ammonia",
                michaelis_menten(i, per_unit * phi * drug * part, Km) * interstitium,
            ),
        ]
    return Module("plasma_asparagine", tuple(reactions), rules, note="plasma and interstitial Asn and Gln under the enzyme")


def csf_asparagine() -> Module:
    """CSF Asn: exchange with plasma, a brain source, and the little enzyme that reaches it."""
    k, ratio, source, phi, csf, asn_p, asn_csf, drug, per_unit, Km = symbols(
        "k_csf csf_plasma_ratio csf_source csf_enzyme_share csf asn_p asn_csf asnase_p umol_per_unit_hour Km_asnase_asn"
    )
    reactions = (
        Reaction("csf_entry", "$body_asn => asn_csf", k * (ratio * asn_p + source) * csf),
        Reaction("csf_exit", "asn_csf => $body_asn", k * asn_csf * csf),
        Reaction("asnase_csf", "asn_csf => $asp_p + $ammonia", michaelis_menten(asn_csf, per_unit * phi * drug, Km) * csf),
    )
    return Module("csf_asparagine", reactions, note="CSF follows plasma with a residual brain source")


def liver_water() -> Module:
    """The water of the hepatocytes that make asparagine follows body weight."""
    per_kg, weight = symbols("liver_water_per_kg weight")
    return Module("liver_water", (), {"cytosol": per_kg * weight}, note="pericentral hepatocytes, by weight")


def marrow_perfusion() -> Module:
    """The fluid around the cells is marrow, filled from the interstitium (Asn, Gln) and from plasma (the rest).

    Flows are taken from the body's side as boundary species: the population is small against the body.
    """
    k, medium = symbols("k_marrow medium")
    reactions = []
    for aa in ("asn", "gln"):
        outside, inside = symbols(f"{aa}_i {aa}_e")
        reactions.append(Reaction(f"marrow_{aa}", f"$body_{aa} -> {aa}_e", k * (outside - inside) * medium, k * inside * medium))
    for aa in ("asp", "glu", "ser", "arg", "his", "leu"):
        outside, inside = symbols(f"{aa}_p {aa}_e")
        reactions.append(Reaction(f"marrow_{aa}", f"${aa}_p -> {aa}_e", k * (outside - inside) * medium, k * inside * medium))
    reactions.append(Reaction("marrow_nh3", "nh3_e => $ammonia", k * symbol("nh3_e") * medium))
    return Module("marrow_perfusion", tuple(reactions), note="perfused fluid around the cells")
