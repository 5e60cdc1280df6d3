"""Standard errors with their degrees of freedom, from mean squares of crossed random effects."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from regraft.core.errors import UserError
from regraft.core.records import Interval
from regraft.guard._tables import Groups, step, units_of

ANY = (-math.inf, math.inf)


@dataclass(frozen=True)
class Error:
    """Standard error of an estimate, and its degrees of freedom."""

    size: float
    freedom: float

    def interval(self, mean: float, level: float, bounds: tuple[float, float] = ANY) -> Interval:
        """``mean`` with its interval at ``level`` in (0, 1), cut to ``bounds``.

        Raises:
            UserError: the level is out of range.
        """
        if not 0 < level < 1:
            raise UserError(f"level must be between 0 and 1, got {level}")
        half = self.size * float(stdtrit(self.freedom, (1 + level) / 2))
        return Interval(mean, max(mean - half, bounds[0]), min(mean + half, bounds[1]), level)

    def detectable(self, level: float, power: float = 0.8) -> float:
        """The smallest effect that a share ``power`` of trials with this error find at ``level``."""
        return self.size * float(stdtrit(self.freedom, (1 + level) / 2) + stdtrit(self.freedom, power))

    def below(self, value: float) -> float:
        """Probability that pure noise is below ``value``."""
        return float(stdtr(self.freedom, value / self.size)) if self.size else (1 + float(np.sign(value))) / 2


@dataclass(frozen=True)
class Squares:
    """Mean squares over S G of a table of units (S, G): what the variance of its mean is made of.

    ``each``: of the seeds, one for each model. ``coarse``: what right and wrong on few examples add to that of units.
    ``units``: the effective number of these.
    """

    each: tuple[float, ...]
    unit: float
    rest: float
    coarse: float
    seeds: int
    units: float

    @property
    def error(self) -> Error:
        """Of the mean."""
        return combine(self.each, self.unit + self.coarse, self.rest, self.seeds, self.units)

    def planned(self, seeds: int, times: float) -> Error:
        """What the error would be with ``seeds`` seeds, at least 2, and ``times`` as many units.

        Each variance component keeps its size; mean squares are then those expected (Searle, Casella and McCulloch,
        Variance components, 1992, section 4.3). With one seed only the units can change.
        """
        if self.seeds == 1:
            return combine(self.each, self.unit / times + self.coarse / times**2, self.rest, 1, self.units * times)
        more, total = seeds / self.seeds, sum(self.each)
        rest = self.rest / (more * times)
        seed = max(total - self.rest, 0.0) / more + rest
        each = [seed * one / total if total else 0.0 for one in self.each]
        unit = max(self.unit - self.rest, 0.0) / times + rest + self.coarse / times**2
        return combine(each, unit, rest, seeds, self.units * times)


def squares(tables: Sequence[np.ndarray], count: float, coarse: float) -> Squares:
    """Of the mean of a model's table of units (S, G), or of a difference of two.

    Models share examples, not luck: the same seed does not make two networks lucky together. So each has a seed part.
    ``count``: effective number of units. ``coarse``: the step of the mean where utilities are right or wrong.
    """
    units = tables[0] - tables[1] if len(tables) > 1 else tables[0]
    seeds, total = units.shape
    by_seed, by_unit, mean = units.mean(1, keepdims=True), units.mean(0), units.mean()
    seed = tuple(float(table.mean(1).var()) / max(seeds - 1, 1) for table in tables)
    unit = by_unit.var() / max(total - 1, 1)
    rest = (units - by_seed - by_unit + mean).var() / (max(seeds - 1, 1) * max(total - 1, 1))
    # Right or wrong on few examples: a spread of zero is no proof. In the spirit of Bonett and Price (2012) for paired
    # proportions, count a quarter of an example more fixed and a quarter more broken (in the spread alone, the mean
    # stays the mean): with half as much, 100 examples of which a twentieth changed are covered 0.86 of the time; with
    # nothing, 20 of which a tenth changed 0.8 to 0.9.
    return Squares(seed, float(unit), float(rest), coarse**2 / 2, seeds, count)


def differing(ours: np.ndarray, theirs: np.ndarray, groups: Groups) -> Squares:
    """Of the mean difference of two utilities (S, N)."""
    (table, count), (other, _) = units_of(ours, groups), units_of(theirs, groups)
    return squares([table, other], count, min(step(ours), step(theirs)) / ours.shape[1])


def combine(each: Sequence[float], unit: float, rest: float, seeds: int, units: float) -> Error:
    """Standard error from mean squares over S G: sqrt(seed + unit - rest), degrees of freedom of Satterthwaite (1946).

    A negative variance component counts as none. The degrees of freedom keep the other mean squares even then, as they
    were estimated all the same; without that, coverage with 3 seeds falls below 0.9. The mean square of few seeds is
    often too small, which shortens the interval twice: a small error, many degrees of freedom. So it counts (S + 1) /
    (S - 1) times in those (our addition; with it 2 seeds cover 0.95 instead of 0.92 where one model has all the luck).
    The remainder is in the mean square of seeds too, and is known from far more units than there are seeds; as much as
    (S - 2) / (S - 1) of it does not count there. All of it would make intervals of 3 seeds 5% shorter still, and
    coverage falls to 0.914 where one model has all the luck.
    """
    if units <= 1:
        return Error(math.inf, 1.0)
    if seeds == 1:
        return Error(math.sqrt(unit), units - 1)
    variance = max(sum(each) - rest, 0.0) + max(unit - rest, 0.0) + rest
    extra, sure = 2 / (seeds - 1), (seeds - 2) / (seeds - 1) * rest / len(each)
    luck = [max(part - sure, 0.0) for part in each]
    doubt = sum(((1 + extra) * part) ** 2 for part in luck) + (unit**2 * (seeds - 1) + rest**2) / (units - 1)
    freedom = (variance + extra * sum(luck)) ** 2 * (seeds - 1) / doubt if doubt else 0.0
    return Error(math.sqrt(variance), max(freedom, min(seeds, units) - 1))
