"""Isotopologues: a model of totals turned into one that follows 13C and amide 15N through asparagine.

Every pool of Asn (free, on tRNA, in protein) becomes four: unlabelled, U-13C, amide-15N, both; Asp becomes two (carbon), Gln two
(amide). Every rate is evaluated on the totals and split by the donor's fractions, which is exact because enzymes hardly tell
isotopologues apart. Exchange carries label both ways although nothing moves on balance, so the gross rates of carriers count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product

import sympy

from asnsim.network import Module, Parameter, Reaction, Species, symbol

__all__ = ["ISOTOPOLOGUES", "LABELS", "labelled"]

#: Isotopologues of each labelled moiety: suffix -> (carbon is 13C, amide nitrogen is 15N).
ISOTOPOLOGUES: Mapping[str, Mapping[str, tuple[bool, bool]]] = {
    "asn": {"m0": (False, False), "u13c": (True, False), "n15": (False, True), "u13c_n15": (True, True)},
    "asp": {"m0": (False, False), "u13c": (True, False)},
    "gln": {"m0": (False, False), "n15": (False, True)},
}
#: Suffixes of labelled isotopologues.
LABELS = tuple(dict.fromkeys(s for kinds in ISOTOPOLOGUES.values() for s in kinds if s != "m0"))
_POOLS = {
    **{name: "asn" for name in ("asn_e", "asn_c", "trna_asn", "protein", "protein_e")},
    **{name: "asp" for name in ("asp_e", "asp_c")},
    **{name: "gln" for name in ("gln_e", "gln_c")},
}
_PROTEIN = ("protein", "protein_e")  # counted in Asn residues; carries Asp and Gln residues too
_MARKS = {"asp": "u13c", "gln": "n15"}
_FLOOR = "label_floor"


def _mark(species: str, moiety: str) -> str:
    """Name of the labelled Asp or Gln residues in protein."""
    return f"{species}_{moiety}_{_MARKS[moiety]}"


def labelled(
    modules: Iterable[Module], species: Mapping[str, Species], numbers: Mapping[str, Parameter], residues: Mapping[str, float]
) -> tuple[list[Module], dict[str, Species], dict[str, Parameter]]:
    """Return modules, species and numbers in which Asn, Asp and Gln amide carry label.

    Parameters
    ----------
    modules : iterable of Module
        The model of totals.
    species, numbers : mapping
        Its tables; what a row gives for a pool becomes the unlabelled isotopologue.
    residues : mapping of str to float
        Residues of an amino acid per Asn residue of protein.

    Returns
    -------
    list of Module, dict, dict
        The same with isotopologues; totals are rules of their old names, and so is the net rate of every split reaction.
    """
    modules = list(modules)
    present = {name for m in modules for r in m.reactions for side in r.sides for _, name, fixed in side if not fixed} & set(
        _POOLS
    )
    residues = {moiety: residues[moiety] for moiety in _MARKS}
    changed = [_split_module(module, present, residues) for module in modules]
    changed.append(_totals(present, modules))
    species, numbers = dict(species), dict(numbers)
    for name in sorted(present):
        one, row = species[name], numbers[name]
        for suffix in ISOTOPOLOGUES[_POOLS[name]]:
            new = f"{name}_{suffix}"
            species[new] = replace(one, id=new, name=f"{one.name}, {suffix}")
            numbers[new] = replace(row, name=new) if suffix == "m0" else _unlabelled(row, new)
        for moiety in _MARKS if name in _PROTEIN else ():
            new = _mark(name, moiety)
            species[new] = Species(new, f"labelled {moiety} residues of {one.name}", one.compartment)
            numbers[new] = _unlabelled(row, new)
    return changed, species, numbers


def _unlabelled(row: Parameter, name: str) -> Parameter:
    return replace(row, name=name, value=0.0, lower=0.0, source="no label at the start", status="derived", note="initial value")


def _totals(present: set[str], modules: list[Module]) -> Module:
    """Totals under their old names, and what a tracer experiment reads."""
    rules = {name: sum(symbol(f"{name}_{suffix}") for suffix in ISOTOPOLOGUES[_POOLS[name]]) for name in sorted(present)}
    carbon = symbol("asn_c_u13c") + symbol("asn_c_u13c_n15")
    amide = symbol("asn_c_n15") + symbol("asn_c_u13c_n15")
    rules["asn_label"] = carbon / (symbol("asn_c") + symbol(_FLOOR))
    rules["asn_amide_label"] = amide / (symbol("asn_c") + symbol(_FLOOR))
    inward, outward = 0, 0
    for reaction in (r for module in modules for r in (*module.reactions, *module.exchanges)):
        left, right = ({name for _, name, _ in side} for side in reaction.sides)
        if "asn_e" in left and "asn_c" in right:
            inward, outward = inward + reaction.rate + reaction.reverse, outward + reaction.reverse
        elif "asn_c" in left and "asn_e" in right and reaction.reversible:  # death gives Asn back too, but is no carrier
            inward, outward = inward + reaction.reverse, outward + reaction.rate + reaction.reverse
    cytosol = symbol("cytosol")
    rules |= {"asn_gross_influx": inward / cytosol, "asn_gross_efflux": outward / cytosol}
    return Module("isotopologues", (), rules, note="totals over isotopologues; label fractions; gross fluxes per cell water")


def _split_module(module: Module, present: set[str], residues: Mapping[str, float]) -> Module:
    reactions: list[Reaction] = []
    rules = dict(module.rules)
    for reaction in module.reactions:
        if not any(name in present for side in reaction.sides for _, name, _ in side):
            reactions.append(reaction)
            continue
        rules[reaction.id] = reaction.rate
        net, back = symbol(reaction.id), reaction.reverse
        reactions += _split(f"{reaction.id}_in" if back != 0 else reaction.id, reaction.sides, net + back, present, residues)
        if back != 0:
            reactions += _split(f"{reaction.id}_out", reaction.sides[::-1], back, present, residues)
    for swap in module.exchanges:
        if any(name in present for side in swap.sides for _, name, _ in side):
            reactions += _split(f"{swap.id}_in", swap.sides, swap.reverse, present, residues)
            reactions += _split(f"{swap.id}_out", swap.sides[::-1], swap.reverse, present, residues)
    return replace(module, reactions=tuple(reactions), rules=rules, exchanges=())


def _carried(name: str, present: set[str]) -> tuple[str, ...]:
    """Moieties a species carries label in."""
    if name not in present:
        return ()
    return ("asn", *_MARKS) if name in _PROTEIN else (_POOLS[name],)


def _split(name: str, sides, rate: sympy.Expr, present: set[str], residues: Mapping[str, float]) -> list[Reaction]:
    """One irreversible reaction as one per combination of its reactants' isotopologues."""
    left, right = sides
    slots = [
        (place, moiety) for place, (_, reactant, fixed) in enumerate(left) if not fixed for moiety in _carried(reactant, present)
    ]
    found = []
    for choice in product(*(ISOTOPOLOGUES[moiety] for _, moiety in slots)):
        chosen = dict(zip(slots, choice, strict=True))
        share = rate
        for (place, moiety), suffix in chosen.items():
            share = share * _fraction(left[place][1], moiety, suffix, residues)
        donors = {}
        for (_, moiety), suffix in chosen.items():
            donors.setdefault(moiety, ISOTOPOLOGUES[moiety][suffix])
        terms = [
            _term(part, {moiety: chosen[place, moiety] for moiety in _carried(part[1], present) if not part[2]}, residues)
            for place, part in enumerate(left)
        ]
        made = [
            _term(part, {moiety: _origin(moiety, donors) for moiety in _carried(part[1], present) if not part[2]}, residues)
            for part in right
        ]
        suffix = "_".join(f"{moiety}_{label}" for (_, moiety), label in chosen.items())
        equation = f"{' + '.join(terms)} => {' + '.join(made)}"
        found.append(Reaction(f"{name}_{suffix or 'm0'}", equation, share))
    return found


def _origin(moiety: str, donors: Mapping[str, tuple[bool, bool]]) -> str:
    """Isotopologue of a product: its own kind passes label on whole; else carbon goes between Asp and Asn, amide from Gln."""
    if moiety in donors:
        wanted = donors[moiety]
    elif moiety == "asn":
        wanted = donors.get("asp", (False, False))[0], donors.get("gln", (False, False))[1]
    elif moiety == "asp":
        wanted = donors.get("asn", (False, False))[0], False
    else:
        wanted = False, False
    return next(suffix for suffix, label in ISOTOPOLOGUES[moiety].items() if label == wanted)


def _fraction(species: str, moiety: str, suffix: str, residues: Mapping[str, float]) -> sympy.Expr:
    total = symbol(species) + symbol(_FLOOR)
    if moiety == _POOLS[species]:
        return symbol(f"{species}_{suffix}") / total
    marked = symbol(_mark(species, moiety)) / (residues[moiety] * total)
    return 1 - marked if suffix == "m0" else marked


def _term(part: tuple[float, str, bool], labels: Mapping[str, str], residues: Mapping[str, float]) -> str:
    """One side's term with its isotopologue, and the marks of labelled residues where it is protein."""
    number, name, fixed = part
    text = "" if number == 1 else f"{number:.12g} "
    if not labels:
        return f"{text}{'$' if fixed else ''}{name}"
    terms = [f"{text}{name}_{labels[_POOLS[name]]}"]
    for moiety in _MARKS:
        if name in _PROTEIN and labels.get(moiety) == _MARKS[moiety]:
            terms.append(f"{number * residues[moiety]:.12g} {_mark(name, moiety)}")
    return " + ".join(terms)
