"""What a report says, before it is set in HTML or Markdown: both are made of this one value."""

from dataclasses import dataclass

from regraft.core.labels import Labels
from regraft.report import figures, lessons, panels, pictures, proof, tables
from regraft.report._load import Folder
from regraft.report._svg import Figure
from regraft.report.tables import Table

MATRIX = 30
"""Up to this many classes the confusion matrix is drawn; beyond it only the pairs can be read."""
SKIPPED = 50
"""Skipped files that are named; the rest is counted."""
_OTHERS = {
    Labels.CLASSES: ("Other classes.", "The model answers with one of its classes whatever it is shown."),
    Labels.NUMBERS: ("Other numbers.", "Examples whose numbers lie far outside those that it learned from."),
    Labels.SETS: ("Other labels.", "What has none of the model's labels is given none, or a wrong one."),
}
_VERDICTS = {"helps": ("▲", "Helps"), "hurts": ("▼", "Hurts"), "undecided": ("◆", "Cannot tell")}


@dataclass(frozen=True)
class Drawing:
    """A figure with its name (also its file's) and what to see in it."""

    name: str
    caption: str
    figure: Figure


@dataclass(frozen=True)
class Contents:
    """Parts that the run did not measure are None or empty, and are named in ``untested``."""

    title: str
    verdict: str
    sign: str
    word: str
    rival: str
    seen: bool
    sentence: tuple[str, str]
    kept: str
    facts: tuple[tuple[str, str, str], ...]
    gain: Drawing | None
    metrics: Table | None
    tests: str
    questions: Table | None
    needed: str
    sure: Table | None
    doubts: tuple[str, ...]
    worth: str
    outer: Table | None
    contributions: Table | None
    curve: Drawing | None
    curve_title: str
    ranking: Table | None
    race: Table | None
    race_drawing: Drawing | None
    hindsight: Table | None
    labels: Table | None
    left_out: Table | None
    why: str
    confusion: Drawing | None
    pairs: Table | None
    groups: tuple[pictures.Group, ...]
    missing: bool
    maps: tuple[Drawing, ...]
    counts: Table | None
    sources: Table | None
    reading: tuple[tuple[str, str], ...]
    skipped: tuple[tuple[str, str], ...]
    labels_read: tuple[str, ...]
    untested: tuple[tuple[str, str], ...]
    citations: tuple[tuple[str, str], ...]
    command: str
    environment: tuple[tuple[str, str], ...]


def gather(folder: Folder) -> Contents:
    """Everything that the report of ``folder`` says."""
    result, counts = folder.result, tables.confusion(folder)
    sign, word = _VERDICTS[result.verdict]
    head, bracket, tail = result.sentence.partition(" (")
    groups, drawn = pictures.groups(folder), _scatter(folder)
    if counts is not None and len(counts) <= MATRIX:
        how = (
            "Rows: the true class; columns: the answer. Counts averaged over seeds; mistakes are shaded more strongly."
        )
        drawn = Drawing("confusion", how, panels.confusion(counts, folder.classes))
    return Contents(
        title=folder.name, verdict=result.verdict, sign=sign, word=word, rival=result.rival.name,
        seen=bool(result.rule), sentence=(head, bracket + tail),
        kept=_kept(folder), facts=_facts(folder), gain=_gain(folder), metrics=tables.metrics(folder),
        tests=_tests(folder), questions=proof.questions(folder), needed=result.needed.sentence,
        sure=proof.sure(folder), worth=result.worth.sentence,
        doubts=tuple(filter(None, (result.calibration.sentence, result.sets.sentence))),
        outer=lessons.outer(folder), contributions=lessons.contributions(folder),
        curve=_curve(folder), curve_title=f"{folder.gauge.title} and number of labels",
        ranking=tables.ranking(folder), race=tables.race(folder), race_drawing=_race(folder),
        hindsight=tables.hindsight(folder),
        labels=tables.labels(folder), left_out=tables.left_out(folder), why=result.why, confusion=drawn,
        pairs=None if counts is None else tables.pairs(counts, folder.classes),
        groups=groups, missing=any(group.missing for group in groups), maps=_maps(folder), counts=tables.counts(folder),
        sources=tables.sources(folder), reading=_reading(folder), skipped=_skipped(result.data.skipped),
        labels_read=tuple(result.labels_read), untested=_untested(folder, groups),
        citations=tuple(sorted(result.citations.items())),
        command=result.command, environment=tuple(sorted(folder.environment.items())),
    )  # fmt: skip


def _kept(folder: Folder) -> str:
    result = folder.result
    if result.shipped == "scratch":
        return f"The model {result.rival.against} was kept."
    return f"The transferred model was kept: {tables.label(result.chosen.source, result.chosen.method)}."


def _facts(folder: Folder) -> tuple[tuple[str, str, str], ...]:
    result, data, gauge = folder.result, folder.result.data, folder.gauge
    found = []
    for name, where in (("Transfer", result.metrics), (tables.begun(result.rival.name), result.baseline)):
        if gauge.metric in where:
            spread = where[gauge.metric]
            shown = tables.value(spread, not gauge.lower), tables.interval(spread, not gauge.lower)
            found.append((f"{name} {gauge.what}", *shown))
    if data.train:
        each, per = sorted(set(data.train.values())), f"per {gauge.labels.one}"
        many = f"{each[0]} {per}" if len(each) == 1 else f"{each[0]} to {each[-1]} {per}"
        what = "Examples learned from" if gauge.labels is Labels.SETS else "Labels learned from"
        found.append((what, f"{data.learned:,}", "numbers" if gauge.labels is Labels.NUMBERS else many))
    if data.holdout:
        judged = "unseen examples" if not result.nested.outer else "examples, each by models that never saw it"
        unread = "examples, their labels unread before" if result.rule else judged
        found.append(("Judged on", f"{data.judged:,}", unread))
    if result.seconds is not None:
        budget = "no budget given" if result.budget is None else f"of {tables.seconds(result.budget)}"
        found.append(("Time", tables.seconds(result.seconds), budget))
    if result.seeds:
        found.append(("Repeated with", str(result.seeds), "seed" if result.seeds == 1 else "seeds"))
    return tuple(found)


def _gain(folder: Folder) -> Drawing | None:
    gain = folder.result.gain
    if gain is None:
        return None
    gauge, rival = folder.gauge, folder.result.rival
    what = f"Transfer minus {rival.name}, in {gauge.unit} of {gauge.what}"
    if gauge.lower:
        what = f"By how much the {gauge.what} is lower than {rival.against}, in {gauge.unit} of the labels"
    said = f"{what}, with the {100 * gain.level:g}% interval."
    if gain.detectable:
        least = f"{gauge.size(gain.detectable)} {gauge.unit}"
        said += f" Grey: gains below {least}, which a trial of this size would mostly miss."
    return Drawing("gain", said, figures.gain(gain, (folder.result.verdict, rival), gauge))


def _tests(folder: Folder) -> str:
    tests, said = folder.result.tests, []
    fixed, broken = tests.get("fixed"), tests.get("broken")
    if fixed is not None and broken is not None:
        rival = folder.result.rival.name
        said.append(f"Transfer is right on {fixed:.1f} examples that {rival} gets wrong,")
        said.append(f"and wrong on {broken:.1f} that {rival} gets right (mean over seeds).")
    within = f"equivalence within ±{folder.gauge.factor * (tests.get('margin') or 0):g} {folder.gauge.unit}"
    names = {"mcnemar_p": "McNemar (first seed)", "seed_t_p": "t test over seeds", "equivalence_p": within}
    found = [(name, p) for key, name in names.items() if (p := tests.get(key)) is not None]
    shown = "; ".join(f"{name} p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}" for name, p in found)
    return " ".join([*said, f"Tests: {shown}."] if shown else said)


def _curve(folder: Folder) -> Drawing | None:
    points = sorted(folder.result.curve, key=lambda point: point.labels_per_class)
    if not any(point.chosen or point.scratch for point in points):
        return None
    unit = f" In {folder.gauge.unit} of the training labels." if folder.gauge.lower else ""
    said = f"Filled circles: the chosen method. Hollow squares: from scratch.{unit}"
    return Drawing("curve", said, figures.curve(points, folder.gauge))


def _scatter(folder: Folder) -> Drawing | None:
    """Predicted against true numbers; None for classes, which have a confusion matrix."""
    if folder.holdout is None or folder.chosen is None or not folder.holdout.numbers:
        return None
    drawing = panels.scatter(folder.holdout.numbers, folder.chosen.mean(0)[:, 0])
    return Drawing("predictions", "Each dot is an example; on the line the prediction is the true number.", drawing)


def _race(folder: Folder) -> Drawing | None:
    entries = [(tables.label(entry.source, entry.method), entry, chosen) for entry, chosen in tables.raced(folder)]
    return Drawing("race", "Scores with standard errors, and cost.", figures.race(entries)) if entries else None


def _maps(folder: Folder) -> tuple[Drawing, ...]:
    maps, found = folder.maps, []
    for when, points in (("before", maps.before), ("after", maps.after)) if maps else ():
        if points and maps:
            near = 100 * panels.together(points, maps.targets)
            drawing = panels.features(points, maps, folder.classes, when)
            found.append(
                Drawing(
                    f"map-{when}", f"{when.capitalize()} transfer. {near:.0f}% lie next to their own class.", drawing
                )
            )
    return tuple(found)


def _reading(folder: Folder) -> tuple[tuple[str, str], ...]:
    data = folder.result.data
    facts = [("Target", data.target), ("Split", data.protocol)]
    facts += [("Unlabelled", _many(data.unlabeled, "example"))] if data.unlabeled else []
    facts += [("Skipped", _many(len(data.skipped), "file") + " that could not be read")] if data.skipped else []
    facts += [("Duplicates", f"{data.duplicates:,} removed from training")] if data.duplicates else []
    facts += [("Noted", f"{note[:1].upper()}{note[1:]}.") for note in data.notes]
    return tuple((name, said) for name, said in facts if said)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _skipped(files: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    more = len(files) - SKIPPED
    return (*files[:SKIPPED], (f"and {more:,} more", "")) if more > 0 else tuple(files)


def _untested(folder: Folder, groups: tuple[pictures.Group, ...]) -> tuple[tuple[str, str], ...]:
    result = folder.result
    judged = f" of {result.data.judged:,} examples" if result.data.holdout else ""
    drawn = "no label to learn from" if result.rule else "one draw of the training labels"
    if result.nested.outer:
        found = [("This very model.", f"It learned from all {result.nested.learned:,} labelled examples, so none is "
                  "left to judge it; what was judged is the procedure that made it.")]  # fmt: skip
        return (*found, *_untested_else(folder, groups))
    found = [("Another draw.", f"There was one holdout{judged} and {drawn}; others would give "
              "somewhat different numbers.")]  # fmt: skip
    return (*found, *_untested_else(folder, groups))


def _untested_else(folder: Folder, groups: tuple[pictures.Group, ...]) -> tuple[tuple[str, str], ...]:
    result, found = folder.result, list[tuple[str, str]]()
    if result.plan.note:
        found.append(("What was asked for.", f"{result.plan.note[0].upper()}{result.plan.note[1:]}."))
    if result.seeds == 1:
        found.append(("Luck in training.", "One seed was run, so how much another would differ is not measured."))
    elif result.seeds and result.seeds < 5:
        found.append(
            ("More seeds.", f"Luck in training was seen through {result.seeds} seeds; the interval allows for it.")
        )
    what = "Pictures" if folder.holdout is None or folder.holdout.kind == "image" else "Examples"
    worse = "larger errors" if folder.gauge.lower else f"lower {folder.gauge.what}"
    found.append(("Other places.", f"{what} from other devices, places or times than these; expect {worse}."))
    found.append(_OTHERS[folder.gauge.labels])
    dropped = sum(entry.outcome in ("dropped", "skipped") for entry in result.candidates)
    if dropped:
        lost = f"{_many(dropped, 'candidate')} dropped on cross-validated scores, or not started"
        found.append(("What lost early.", f"{lost}; one of them might have won with more budget."))
    absent = _absent(folder, groups)
    if absent:
        found.append(("Not measured.", f"{', '.join(absent).capitalize()}."))
    return tuple(found)


def _absent(folder: Folder, groups: tuple[pictures.Group, ...]) -> list[str]:
    result, maps, labels = folder.result, folder.maps, folder.gauge.labels
    classes, probable = labels is Labels.CLASSES, labels is not Labels.NUMBERS
    missing = {
        f"the gain over {result.rival.name}": result.gain is None,
        "the metrics": not result.metrics,
        "the baseline's metrics": bool(result.metrics) and not result.baseline,
        f"{folder.gauge.what} at other numbers of labels": not result.curve,
        "the ranking of sources": not result.ranking,
        "what other selectors would have taken": bool(result.rule) and not result.hindsight.selectors,
        "the race": not result.candidates,
        "confusions and examples": probable and not groups,
        "what transfer fixed and broke": bool(groups) and len(groups) < 4,
        "the map of features": classes and not (maps and (maps.before or maps.after)),
        "calibration": probable and bool(result.metrics) and "calibration_error" not in result.metrics,
        "the time it took": result.seconds is None,
        "which labels were read": not result.labels_read,
        "the environment": not folder.environment,
    }
    return [name for name, absent in missing.items() if absent]
