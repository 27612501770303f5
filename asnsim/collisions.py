"""Which molecules of a method show in each other's channels, and whether chromatography keeps them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asnsim.chromatogram import Analyte, Transition
from asnsim.isotopes import Species, cross_talk, labelled_product

__all__ = ["Collision", "collisions"]


@dataclass(frozen=True, slots=True)
class Collision:
    """One molecule in the channel of another.

    Parameters
    ----------
    channel : Transition
        Where it shows.
    analyte : str
        What shows.
    form : {'light', 'light, qualifier path', 'IS', 'IS, qualifier path'}
        Of it; the qualifier path of a standard is known where its elements are labelled throughout or not at all.
    share : float
        Signal there, relative to the form's own quantifier channel: natural isotopes, incomplete label, or 1 for the same nominal
        transition.
    apart : float
        Distance of the retention times, s.
    """

    channel: Transition
    analyte: str
    form: str
    share: float
    apart: float

    @property
    def separated(self) -> bool:
        """Whether the molecule elutes outside the window of the channel."""
        return self.apart > self.channel.rt_window

    def __str__(self) -> str:
        where = f"{self.channel.id} ({self.channel.q1:g} > {self.channel.q3:g})"
        kept = f"{self.apart:.0f} s apart" + ("" if self.separated else ": NOT separated")
        return f"{self.analyte} ({self.form}) gives {100 * self.share:.2g} % of its signal in {where}, {kept}"


def collisions(analytes: Sequence[Analyte], purity: float = 1.0, least: float = 0.01) -> tuple[Collision, ...]:
    """Find every molecule that shows in the channel of another analyte.

    Light and labelled form of one analyte are not collisions: the quantifier unmixes them.

    Parameters
    ----------
    analytes : sequence of Analyte
        Of one method.
    purity : float
        Atom fraction of the labels.
    least : float
        Smallest share that is reported.

    Returns
    -------
    tuple of Collision
        What is not separated comes first, then the larger shares.
    """
    found = []
    for analyte in analytes:
        for channel in analyte.transitions:
            for other in analytes:
                if other.id == analyte.id or other.polarity != channel.polarity:
                    continue
                for form, species, branch in _forms(other, purity):
                    share = branch * cross_talk(species, channel.q1, channel.q3)
                    if share >= least:
                        found.append(Collision(channel, other.id, form, share, abs(other.rt - analyte.rt)))
    return tuple(sorted(found, key=lambda item: (item.separated, -item.share)))


def _forms(analyte: Analyte, purity: float) -> Iterator[tuple[str, Species, float]]:
    yield "light", analyte.light(), 1.0
    yield "IS", analyte.heavy(purity), 1.0
    if analyte.qualifier_product:
        ratio = analyte.qualifier_ratio
        ratio = ratio if ratio == ratio else 1.0
        yield "light, qualifier path", analyte.light(qualifier=True), ratio
        heavy, product = analyte.heavy(purity), labelled_product(analyte.qualifier_product, analyte.is_formula)
        if product is not None:
            yield "IS, qualifier path", Species(heavy.formula, product, analyte.polarity, heavy.purity), ratio
