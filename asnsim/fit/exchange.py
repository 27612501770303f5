"""The search for a design, in arrays only: what samples add to information, and exchanges that make a design better.

Errors of one vial are independent; what a batch shares (calibration, stock) is one nuisance per observable, eliminated exactly
(Schur complement), so that samples still add up: ``I = P + sum n_i A_i - sum_g b_g b_g' / c_g`` with ``b_g = sum n_i b_ig`` and
``c_g = 1 + sum n_i c_ig``. A sample is exchanged for its best replacement, one after the other (Cook & Nachtsheim 1980,
Technometrics 22, 315, after Fedorov 1972, Theory of Optimal Experiments).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Parts", "Search"]

_NULL = 1e-12  # eigenvalue, relative to all that the candidates could tell of a parameter, below which a direction is not felt
_RIDGE, _FIRST_RIDGE = 1e-13, 1e-8  # so that too few samples can be compared too; the second while a design is built up
_BETTER = 1e-9  # gain of an exchange that is not rounding


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What one sample of each candidate adds to the information, by draw of the parameters.

    Parameters
    ----------
    own : ndarray, shape (n_d, n_c, n_p, n_p)
        With errors of its own alone.
    cross : ndarray, shape (n_d, n_c, n_g, n_p)
        With each shared error.
    common : ndarray, shape (n_d, n_c, n_g)
        On each shared error, whose prior variance is 1.
    prior : ndarray, shape (n_p, n_p)
        Information that is there before.
    scale : ndarray, shape (n_p,)
        The parameters were multiplied by it.
    """

    own: np.ndarray
    cross: np.ndarray
    common: np.ndarray
    prior: np.ndarray
    scale: np.ndarray

    def information(self, counts: np.ndarray, one_more: bool = False) -> np.ndarray:
        """Return that of so many samples of each candidate, (n_d, n_p, n_p); or with one more of each, (n_d, n_c, n_p, n_p)."""
        own, cross, common = (np.tensordot(counts, part, (0, 1)) for part in (self.own, self.cross, self.common))
        if one_more:
            own, cross, common = own[:, None] + self.own, cross[:, None] + self.cross, common[:, None] + self.common
        return own + self.prior - np.swapaxes(cross, -1, -2) @ (cross / (1.0 + common)[..., None])

    def scaled(self, limits: np.ndarray) -> Parts:
        """Return them with parameters scaled so that all candidates together tell 1 of each."""
        felt = np.sqrt(np.maximum(np.diag(self.information(limits).mean(axis=0)), 0.0))
        scale = np.where(felt > 0, felt, 1.0)
        square = np.outer(scale, scale)
        return Parts(self.own / square, self.cross / scale, self.common, self.prior / square, self.scale * scale)


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """Designs within limits and a budget, and what each is worth.

    A design is the number of samples of each candidate, shape (n_c,). Its worth is the mean of log det of the information (D), or
    minus the logarithm of the mean variance (the trace, A, or that of the target, c).

    Parameters
    ----------
    parts : Parts
        Scaled.
    criterion : {'D', 'A', 'c'}
    target : ndarray, shape (n_p,)
        Gradient by log p of what is asked, for c.
    limits, costs : ndarray, shape (n_c,)
        Most samples of each candidate, and what one costs.
    budget : float
        What all may cost.
    homes, times : ndarray, shape (n_c,)
        Number of the experiment and time, h, of each candidate: for equal spacing.
    """

    parts: Parts
    criterion: str
    target: np.ndarray
    limits: np.ndarray
    costs: np.ndarray
    budget: float
    homes: np.ndarray
    times: np.ndarray

    def _worth(self, information: np.ndarray) -> np.ndarray:
        """Of positive definite scaled information (n_d, ..., n_p, n_p), shape (...)."""
        scale = self.parts.scale
        if self.criterion == "D":
            return np.linalg.slogdet(information)[1].mean(axis=0) + 2.0 * np.log(scale).sum()
        if self.criterion == "A":
            variance = np.diagonal(np.linalg.inv(information), axis1=-2, axis2=-1) @ scale**-2.0
        else:
            weights = self.target / scale
            variance = np.linalg.inv(information) @ weights @ weights
        return -np.log(variance.mean(axis=0))

    def rough(self, counts: np.ndarray, one_more: bool = False, ridge: float = _RIDGE) -> np.ndarray:
        """Return the worth of a design, or of it with one more of each candidate; what nothing tells counts as unknown."""
        information = self.parts.information(counts, one_more)
        return self._worth(information + ridge * np.eye(information.shape[-1]))

    def exact(self, counts: np.ndarray) -> float:
        """Return the worth of a design, -inf if it leaves open what is asked."""
        every = self.parts.information(counts)
        if any(self.unfelt(one)[1] for one in every):
            return -np.inf
        if self.criterion != "c":
            return float(self._worth(every))
        return float(-np.log(np.mean([np.sum((self.target @ self._told(one)[0]) ** 2) for one in every])))

    def _told(self, information: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Root of the covariance of log p in the directions that are told, and the scaled directions that are not, as columns."""
        sizes, vectors = np.linalg.eigh(information)
        told = sizes >= _NULL
        return vectors[:, told] / np.sqrt(sizes[told]) / self.parts.scale[:, None], vectors[:, ~told]

    def unfelt(self, information: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return directions of log p, (n, n_p), that one scaled information does not tell, and whether the answer needs them."""
        null, weights = self._told(information)[1].T, self.target / self.parts.scale
        asked = self.criterion != "c" or np.linalg.norm(null @ weights) > 1e-6 * np.linalg.norm(weights)
        return null / self.parts.scale, bool(len(null) and asked)

    def covariance(self, counts: np.ndarray) -> np.ndarray:
        """Return the mean over draws of that of log p, (n_p, n_p); the variance of a parameter that is not told is infinite."""
        total = np.zeros_like(self.parts.prior)
        for one in self.parts.information(counts):
            root, null = self._told(one)
            total += root @ root.T
            total[np.diag_indices_from(total)] += np.where(np.any(np.abs(null) > 1e-6, axis=1), np.inf, 0.0)
        return total / len(self.parts.own)

    def uncertainty(self, worth: float) -> float:
        """Return the worth as a standard deviation of logarithms: geometric mean (D), root mean square (A), of the target (c)."""
        p = len(self.target)
        if self.criterion == "D":
            return float(np.exp(-worth / (2 * p)))
        return float(np.exp(-worth / 2) / np.sqrt(p if self.criterion == "A" else 1))

    def fits(self, counts: np.ndarray) -> np.ndarray:
        """Return which candidates can be added, shape (n_c,) of bool."""
        return (counts < self.limits) & (self.costs @ counts + self.costs <= self.budget * (1 + 1e-12))

    def filled(self, counts: np.ndarray, ridge: float = _FIRST_RIDGE) -> list[np.ndarray]:
        """Add what is worth most for its cost until nothing fits; return the designs on the way."""
        path = [counts]
        while (fits := self.fits(path[-1])).any():
            gain = (self.rough(path[-1], True, ridge) - self.rough(path[-1], ridge=ridge)) / self.costs
            path.append(path[-1] + self._one(int(np.argmax(np.where(fits, gain, -np.inf)))))
        return path

    def random(self, rng: np.random.Generator) -> np.ndarray:
        """Return a design drawn without regard to its worth."""
        counts = np.zeros(len(self.limits))
        while (fits := self.fits(counts)).any():
            counts[rng.choice(np.flatnonzero(fits))] += 1
        return counts

    def spaced(self, budget: float) -> np.ndarray:
        """Return as many samples as a budget buys, shared among the experiments and equally spaced over the time of each."""
        experiments = np.unique(self.homes)
        for n in range(int(min(budget / self.costs.min() + 1e-9, self.limits.sum())), 0, -1):
            counts = np.zeros(len(self.limits))
            for place, home in enumerate(experiments):
                own, mine = n // len(experiments) + (place < n % len(experiments)), self.times[self.homes == home]
                for moment in np.linspace(mine.min(), mine.max(), own) if own > 1 else [(mine.min() + mine.max()) / 2] * own:
                    # the nearest of its own experiment, and among equals the one taken least; another experiment if all is taken
                    distance = np.abs(self.times - moment) + np.where(self.homes == home, 0.0, 1e9) + 1e-9 * counts
                    counts[np.argmin(np.where(counts < self.limits, distance, np.inf))] += 1
            if self.costs @ counts <= budget * (1 + 1e-12):
                return counts
        return np.zeros(len(self.limits))

    def exchanged(self, counts: np.ndarray) -> tuple[np.ndarray, float]:
        """Exchange each sample for its best replacement until no exchange helps; return the design and its rough worth."""
        best = float(self.rough(counts))
        while True:
            before = best
            for i in np.flatnonzero(counts):
                without = counts - self._one(i)
                worth = np.where(self.fits(without), self.rough(without, True), -np.inf)
                j = int(np.argmax(worth))
                if worth[j] > best + _BETTER:
                    counts, best = without + self._one(j), float(worth[j])
            counts = self.filled(counts, _RIDGE)[-1]  # cheaper samples may have left room
            best = float(self.rough(counts))
            if best <= before + _BETTER:
                return counts, best

    def _one(self, place: int) -> np.ndarray:
        return (np.arange(len(self.limits)) == place).astype(float)
