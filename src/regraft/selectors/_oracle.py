"""How well each selector would have chosen, where the truth is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from regraft.core import catalog
from regraft.core.batch import Stream
from regraft.core.errors import UserError
from regraft.core.labels import Labels
from regraft.model import Model, Problem
from regraft.selectors._base import Seen, Selector, see, source_seen


@dataclass(frozen=True)
class Beside:
    """One selector beside the oracle, which takes the best of the models by target labels.

    ``chosen``: index of the model that it takes; ``utility``: that model's true mean utility; ``regret``: how much
    better the oracle's is; ``correlation``: Spearman's, of scores and truth, not a number where either is constant.
    """

    selector: str
    labels: str
    chosen: int
    utility: float
    regret: float
    correlation: float


def beside_oracle(
    target: Sequence[Seen], source: Sequence[Seen] | None = None, selectors: Sequence[Selector] | None = None
) -> list[Beside]:
    """What each selector takes of several models, in the order in which they came, beside what is best in truth.

    ``target``: what each model makes of the target, with labels, which only the truth is computed from. ``source``: the
    same for the source; without it, selectors that look at the source are left out. Without ``selectors``, all of them.
    The oracle chooses by the very labels that it is judged by, so its utility is a little too good.

    Raises:
        UserError: there is no model, or no labels.
    """
    if not target:
        raise UserError("there is no model to choose from; give what at least one makes of the target")
    truth = np.array([seen.utility().mean() for seen in target])
    blind = [Seen(seen.predictions, seen.features, None, seen.task) for seen in target]
    sources: Sequence[Seen | None] = [None] * len(blind) if source is None else source
    pairs = list(zip(blind, sources, strict=True))
    able = [rule for rule in withholding(target[0].task.labels).values() if source is not None or not rule.source]
    rules = able if selectors is None else selectors
    return [beside(rule, [rule.score(*pair) for pair in pairs], truth) for rule in rules]


def beside(rule: Selector, scores: Sequence[float], truth: Sequence[float] | np.ndarray) -> Beside:
    """What a selector takes by its ``scores`` of several models, in their order, whose true mean utility is known."""
    chosen = 0
    for place, score in enumerate(scores):
        chosen = place if rule.better(score, scores[chosen]) else chosen
    told = len(set(scores)) > 1 and len(set(truth)) > 1
    correlation = float(spearmanr(scores, truth).statistic) if told else float("nan")
    name, utility = catalog.called(type(rule)), float(truth[chosen])
    return Beside(name, rule.labels, chosen, utility, float(max(truth)) - utility, correlation)


def withholding(labels: Labels) -> dict[str, Selector]:
    """Every selector that leaves labels of the target alone where ``labels`` are predicted, by name."""
    rules = {name: catalog.find("selectors", name) for name in catalog.names("selectors")}
    return {name: rule() for name, rule in rules.items() if rule.withheld and labels in rule.tasks}


def scores(rules: Mapping[str, Selector], model: Model, problem: Problem) -> dict[str, float | str]:
    """What each of the rules says of a model, or why it cannot say anything; the examples are looked at once."""
    target, source, lacking = see(model, problem.examples(Stream.UNLABELED), problem), None, ""
    try:
        source = source_seen(model, problem)
    except (UserError, ValueError) as error:
        lacking = str(error)
    found: dict[str, float | str] = {}
    for name, rule in rules.items():
        try:
            found[name] = lacking if rule.source and lacking else rule.score(target, source)
        except UserError as error:
            found[name] = str(error)
    return found
