"""Laws of every head."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC, LinearSVC

from regraft.core import catalog
from regraft.core.errors import CandidateError, UserError
from regraft.heads._base import ClassicalHead, Head
from regraft.heads._layers import plan, rebuilt

CLASSES = {name: catalog.find("heads", name) for name in catalog.names("heads")}
TRAINED = [n for n, c in CLASSES.items() if issubclass(c, Head)]
NUMERIC = ["ridge"]
FITTED = [n for n, c in CLASSES.items() if issubclass(c, ClassicalHead) and n not in NUMERIC]


def draw(count: int = 60, width: int = 12, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping classes; features of very different sizes, one of them constant."""
    rng = np.random.default_rng(1)
    labels = rng.permutation(np.arange(count) % classes)
    x = rng.normal(size=(classes, width))[labels] + rng.normal(size=(count, width))
    x = x * np.logspace(-2, 2, width) + 5
    x[:, 3] = 2.0
    return x, labels


def outputs(layer: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return layer.double()(torch.from_numpy(x)).numpy()


def probabilities(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).softmax(1).numpy()


class WeighedNeighbours(KNeighborsClassifier):
    """scikit-learn's neighbours with votes that count as the examples' weights, which it does not have."""

    def fit(self, x, labels, weights=None):
        self.counts = np.ones(len(x)) if weights is None else weights
        self.votes = np.eye(labels.max() + 1)[labels]
        self.n_neighbors = min(self.n_neighbors, np.bincount(labels).min())
        return super().fit(x, labels)

    def predict(self, x):
        near = self.kneighbors(x, return_distance=False)
        return (self.counts[near][..., None] * self.votes[near]).sum(1).argmax(1)


class WeighedCentroid:
    """The nearest weighted mean, written out."""

    def fit(self, x, labels, weights=None):
        counts = np.ones(len(x)) if weights is None else weights
        self.means = np.stack([np.average(x[labels == c], 0, counts[labels == c]) for c in np.unique(labels)])
        return self

    def predict(self, x):
        return np.array([((self.means - row) ** 2).sum(1).argmin() for row in x])


class AgainstRest:
    """One machine a class, the largest margin wins."""

    def __init__(self, head):
        self.head = head

    def fit(self, x, labels, weights=None):
        head, classes = self.head, range(labels.max() + 1)
        alike = "balanced" if weights is None else None
        new = (SVC(C=head.strength, gamma=head.gamma, class_weight=alike) for _ in classes)
        self.each = [one.fit(x, labels == c, weights) for c, one in zip(classes, new, strict=True)]
        return self

    def predict(self, x):
        return np.stack([one.decision_function(x) for one in self.each], 1).argmax(1)


REFERENCES = {
    "logistic": lambda head: LogisticRegression(C=head.strength, max_iter=500, class_weight="balanced"),
    "svm": lambda head: LinearSVC(C=head.strength, class_weight="balanced", max_iter=5000, random_state=0),
    "knn": lambda head: WeighedNeighbours(head.neighbours),
    "prototype": lambda head: WeighedCentroid(),
    "kernel_svm": AgainstRest,
}


def estimator(name: str, head: ClassicalHead, weighted: bool = False):
    """scikit-learn's own where it has one, with the options of the head; classes count alike but beside weights."""
    made = REFERENCES[name](head)
    return made.set_params(class_weight=None) if weighted and name in ("logistic", "svm") else made


def reference(name: str, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What it says of the examples that it is fitted on."""
    scaled = (x - x.mean(0)) / np.sqrt(x.var(0).sum())
    return estimator(name, CLASSES[name]()).fit(scaled, labels).predict(scaled)


def test_every_head_is_of_one_kind():
    assert sorted(TRAINED + FITTED + NUMERIC) == sorted(CLASSES)


@pytest.mark.parametrize("name", TRAINED)
def test_trained_heads_map_features_to_outputs_and_learn(name):
    torch.manual_seed(0)
    layer = CLASSES[name]().build(12, 3)
    x, labels = draw()
    value = torch.nn.functional.cross_entropy(layer(torch.from_numpy(x).float()), torch.from_numpy(labels))
    value.backward()
    assert layer(torch.zeros(5, 12)).shape == (5, 3)
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("name", FITTED)
def test_fitted_heads_decide_as_scikit_learn_does(name, classes):
    x, labels = draw(classes=classes)
    head = CLASSES[name]()
    found = outputs(head.fit(x, labels, classes), x)
    scaled = (x - x.mean(0)) / np.sqrt(x.var(0).sum())
    theirs = estimator(name, head).fit(scaled, labels)
    assert (found.argmax(1) == theirs.predict(scaled)).all()
    if name == "logistic":
        assert probabilities(found) == pytest.approx(theirs.predict_proba(scaled), abs=1e-4)


@pytest.mark.parametrize("name", FITTED)
def test_a_class_without_examples_gets_no_probability(name):
    x, labels = draw(classes=3)
    labels = labels + (labels >= 1)  # nobody is of class 1
    found = outputs(CLASSES[name]().fit(x, labels, 5), x)
    assert found.shape == (60, 5)
    assert probabilities(found)[:, [1, 4]].max() < 1e-6
    assert set(found.argmax(1)) <= {0, 2, 3}


@pytest.mark.parametrize("name", FITTED)
def test_two_classes_that_are_not_the_first(name):
    x, labels = draw(classes=2)
    found = outputs(CLASSES[name]().fit(x, 2 * labels + 1, 4), x)
    assert set(found.argmax(1)) <= {1, 3}
    assert (found.argmax(1) == 2 * reference(name, x, labels) + 1).all()
    assert (found.argmax(1) == 2 * labels + 1).mean() > (0.7 if name == "prototype" else 0.8)


@pytest.mark.parametrize("name", FITTED)
def test_the_common_scale_of_features_does_not_matter(name):
    x, labels = draw()
    head, factor = CLASSES[name](), 100.0
    one, two = outputs(head.fit(x, labels, 3), x), outputs(head.fit(x * factor, labels, 3), x * factor)
    assert one == pytest.approx(two, abs=1e-3)


@pytest.mark.parametrize("name", FITTED)
def test_more_features_than_examples(name):
    x, labels = draw(count=9, width=80)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = outputs(CLASSES[name]().fit(x, labels, 3), x)
    assert (found.argmax(1) == reference(name, x, labels)).all()
    assert (found.argmax(1) == labels).mean() > (0.7 if name == "knn" else 0.8)


@pytest.mark.parametrize("name", NUMERIC)
@pytest.mark.parametrize(("count", "width"), [(60, 12), (9, 80), (12, 12)])
def test_heads_of_numbers_predict_them_whatever_the_scale_of_the_features(name, count, width):
    x, _ = draw(count, width)
    numbers = 3 + 0.2 * (x[:, 0] - 5) / 1e-2 + np.random.default_rng(2).normal(0, 0.01, count)
    x[:, 0] = (x[:, 0] - 5) * 1e4  # the one that matters is also the largest
    head = CLASSES[name]()
    layer = head.fit(x, numbers, 1)
    found = outputs(layer, x)
    assert found.shape == (count, 1)
    assert np.corrcoef(found[:, 0], numbers)[0, 1] > 0.9
    assert outputs(head.fit(100 * x, numbers, 1), 100 * x) == pytest.approx(found, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("name", NUMERIC)
def test_constant_features_predict_the_mean(name):
    layer = CLASSES[name]().fit(np.full((5, 3), 2.0), np.arange(5.0), 1)
    assert outputs(layer, np.full((2, 3), 2.0)) == pytest.approx(np.full((2, 1), 2.0))


@pytest.mark.parametrize("name", FITTED)
@pytest.mark.parametrize(("count", "width"), [(60, 12), (9, 80)])
def test_label_sets_are_fitted_a_label_at_a_time(name, count, width):
    x, labels = draw(count, width)
    held = np.stack([labels == 0, labels < 2, np.zeros(count), np.ones(count)], 1).astype(int)
    found = outputs(CLASSES[name]().fit(x, held, 4), x)
    assert found.shape == (count, 4)
    right = (found > 0) == held
    both = [(right[held[:, z] == 1, z].mean() + right[held[:, z] == 0, z].mean()) / 2 for z in (0, 1)]
    assert min(both) > 0.6  # one answer for all has 0.5
    if name != "prototype":  # to the nearest mean a label is as likely as not, however rare it is
        common = np.maximum(held.mean(0), 1 - held.mean(0))
        assert (right.mean(0) - common)[:2].min() > 0.05  # better than the commoner answer
    assert np.ptp(found[:, 2:], axis=0) == pytest.approx([0, 0])  # nothing tells these apart
    share = 0.5 / (count + 1)
    assert 1 / (1 + np.exp(-found[0, 2:])) == pytest.approx([share, 1 - share])
    alone = outputs(CLASSES[name]().fit(x, held[:, :1], 1), x)
    assert alone == pytest.approx(found[:, :1], abs=1e-9)


@pytest.mark.parametrize("name", FITTED)
def test_weighted_examples_count_as_scikit_learn_counts_them(name):
    x, labels = draw()
    weights = np.where(np.arange(60) % 3 == 0, 2.6, 0.2)
    head, scaled = CLASSES[name](), (x - x.mean(0)) / np.sqrt(x.var(0).sum())
    found = outputs(head.fit(x, labels, 3, weights), x).argmax(1)
    assert (found == estimator(name, head, weighted=True).fit(scaled, labels, weights).predict(scaled)).all()
    assert (found != outputs(head.fit(x, labels, 3), x).argmax(1)).any()


@pytest.mark.parametrize("name", sorted({*FITTED} - {"prototype"}))  # a mean does not tell of how many it is
def test_weights_say_how_much_a_class_counts(name):
    """Of 30, 300 and 600 in the target where the source has as many of each: the very weights bring the shares back."""
    rng = np.random.default_rng(0)
    centres = 0.5 * rng.normal(size=(3, 8))
    labels, truth = np.repeat(np.arange(3), 300), np.repeat(np.arange(3), (30, 300, 600))
    x, z = (rng.normal(size=(len(of), 8)) + centres[of] for of in (labels, truth))
    head, weights = CLASSES[name](), np.array([30, 300, 600])[labels] / 310
    alike, shifted = (outputs(head.fit(x, labels, 3, w), z).argmax(1) for w in (None, weights))
    assert (shifted == truth).mean() > (alike == truth).mean() + 0.05


@pytest.mark.parametrize("name", [*FITTED, *NUMERIC])
def test_examples_of_weight_zero_are_as_if_they_were_not_there(name):
    """A whole class among them too: the head does not answer with it."""
    x, labels = draw()
    head, weights = CLASSES[name](), (labels > 0) * np.linspace(0.5, 1.5, 60)
    kept = weights > 0
    found = outputs(head.fit(x, labels, 3, weights), x)
    assert found == pytest.approx(outputs(head.fit(x[kept], labels[kept], 3, weights[kept]), x))
    assert name in NUMERIC or 0 not in found.argmax(1)


@pytest.mark.parametrize("name", FITTED)
@pytest.mark.parametrize("scale", [1e-12, 1e-30])
def test_small_features_are_told_apart_too(name, scale):
    x, labels = draw(width=4)
    centred = x - x.mean(0)
    found = CLASSES[name]().fit(scale * centred, labels, 3)(torch.from_numpy(scale * centred).float())
    right = (found.argmax(1).numpy() == labels).mean()
    assert right > (outputs(CLASSES[name]().fit(centred, labels, 3), centred).argmax(1) == labels).mean() - 0.1


@pytest.mark.parametrize("name", NUMERIC)
def test_weighted_numbers_count_more(name):
    x, labels = draw()
    numbers, head = labels + 0.1 * x[:, 0], CLASSES[name]()
    plain = outputs(head.fit(x, numbers, 1), x)[:, 0]
    assert outputs(head.fit(x, numbers, 1, np.full(60, 7.0)), x)[:, 0] == pytest.approx(plain)
    heavy = np.arange(60) % 3 == 0
    found = outputs(head.fit(x, numbers, 1, np.where(heavy, 2.8, 0.1)), x)[:, 0]
    assert np.abs(found - numbers)[heavy].mean() < np.abs(plain - numbers)[heavy].mean()


@pytest.mark.parametrize("name", FITTED)
def test_layers_are_kept_and_rebuilt(name):
    x, labels = draw()
    layer = CLASSES[name]().fit(x, labels, 3)
    again = rebuilt(plan(layer), layer.state_dict())
    inputs = torch.from_numpy(x).float()
    assert torch.equal(again(inputs), layer(inputs))


def test_the_machine_of_few_landmarks_is_near_the_exact_one():
    x, labels = draw(200)
    exact, near = (
        outputs(CLASSES["kernel_svm"](exact=limit, landmarks=100).fit(x, labels, 3), x).argmax(1)
        for limit in (200, 199)
    )
    assert (exact == near).mean() > 0.9


def test_as_many_landmarks_as_examples_are_features_and_no_kernel():
    """Features that are square were once taken for a kernel, and the machine did not end."""
    x, labels = draw(60)
    every, fewer = (CLASSES["kernel_svm"](exact=59, landmarks=many).fit(x, labels, 3) for many in (60, 59))
    assert (outputs(every, x).argmax(1) == outputs(fewer, x).argmax(1)).mean() > 0.9


def test_one_example_a_class_is_enough_for_neighbours():
    x, labels = draw(3, classes=3)
    assert (outputs(CLASSES["knn"]().fit(x, labels, 3), x).argmax(1) == labels).all()


@pytest.mark.parametrize("name", [*FITTED, *NUMERIC])
def test_what_cannot_be_learned_from_is_refused(name):
    x, labels = draw()
    head, bad = CLASSES[name](), np.where(x > 1, np.nan, x)
    cases = [(bad, labels, "not finite"), (x[:, 0], labels, "matrix"), (x, labels[:5], "60 examples have 5 labels")]
    cases += [(x, None, "60 examples have no labels"), (1e-100 * x, labels, "too small to be squared")]
    if name in NUMERIC:
        cases += [(x, np.where(labels, np.nan, 1.0), "the column of labels: 40 rows are not finite")]
    else:
        names = np.array(list("abc"))[labels]
        cases += [(x, names, "whole numbers"), (x, labels - 1, "labels must be 0 to 2")]
        cases += [(x, names.astype(object), "got '.'; numpy.unique"), (x, labels[:, None], "got shape")]
        cases += [
            (x, 1, "got shape"),
            (x, [[0], [1, 2]], "must be an array"),
            (x, np.full(60, 1e300), "whole numbers"),
            (x, np.full((60, 3), 7), "0 or 1"),
        ]
    for features, given, said in cases:
        with pytest.raises(UserError, match=said):
            head.fit(features, given, 3 if name in FITTED else 1)
    for weights in (
        [[1], [1, 2]],
        -labels,
        0 * labels,
        np.where(labels, np.nan, 1),
        ["a"] * 60,
        np.ones((60, 2)),
        labels[:5],
        1.0,
    ):
        with pytest.raises(UserError, match="weights"):
            head.fit(x, labels, 3, weights)


@pytest.mark.parametrize("scale", [1e-60, 1e-69])
def test_ridge_refuses_features_whose_weights_cannot_be_held(scale):
    x, labels = draw()
    with pytest.raises(CandidateError, match="too small for weights in single precision"):
        CLASSES["ridge"]().fit(scale * x, labels, 1)


@pytest.mark.parametrize("name", ["logistic", "svm"])
def test_one_class_alone_is_no_candidate(name):
    x, labels = draw()
    with pytest.raises(CandidateError, match="of one class"):
        CLASSES[name]().fit(x, 0 * labels, 3)
