"""The tasks of the suite, as data: what is to be learned, from how many labels, with which sources.

A domain is named as in `domains.py`; ``~wrong`` gives every example the next class (of numbers: the mirrored one),
which ruins what is learned together with it but not its features, and ``~shuffled`` deals the labels out anew, which
ruins both. Networks are named as in `networks.py`; ``~random`` has random weights.
"""

from dataclasses import dataclass

ROLES = {"near": "of the same kind", "far": "of another kind", "harmful": "wrong labels", "random": "random weights"}


@dataclass(frozen=True)
class Task:
    """A target domain with few labels and its sources.

    ``shots``: labels per class (of numbers: in all). ``sources``: (role, domain or network), in the order in which a
    person would try them. ``rows``: examples of a source domain, at most.
    ``holdout``: examples that the run judges by; ``final``: others, that nothing but this suite reads. ``classes``: how
    many classes of the domain take part, the first by name. ``steps``: of a full descent; fewer where a step is long.
    ``seed`` draws the examples, and is the run's.
    """

    name: str
    modality: str
    target: str
    shots: int
    sources: tuple[tuple[str, str], ...]
    rows: int = 1000
    holdout: int = 300
    final: int = 1000
    classes: int | None = None
    steps: int = 60
    seed: int = 0

    @property
    def numeric(self) -> bool:
        """Whether numbers are to be predicted."""
        return self.target in ("red_wine", "white_wine")


PRINT = (
    ("near", "printed_digits"),
    ("far", "printed_letters"),
    ("far", "signs_small"),
    ("harmful", "printed_digits~wrong"),
)
SHUFFLED = (*PRINT[:3], ("harmful", "printed_digits~shuffled"))
MNIST = (("near", "handwriting"), ("near", "usps"), ("far", "printed_letters"), ("harmful", "usps~shuffled"))
CIFAR = (("near", "resnet20"), ("near", "resnet56"), ("far", "signs"), ("random", "resnet20~random"))
SIGNS = (("near", "mobilenet"), ("far", "resnet20"), ("far", "mnist"), ("random", "resnet20~random"))
SPOKEN = (("near", "bcresnet"), ("near", "speech_embedding"), ("near", "speakers"), ("random", "bcresnet~random"))
SHORT_TEXTS = (("near", "minilm"), ("near", "glove"), ("far", "movies"), ("random", "glove~random"))
WORDS = (("near", "movies"), ("near", "glove"), ("far", "questions"), ("harmful", "movies~shuffled"))
SITES = ("cleveland", "hungarian", "switzerland", "va")
OBJECTS = ("amazon", "caltech", "dslr", "webcam")


def _others(target: str, among: tuple[str, ...], harmful: str) -> tuple[tuple[str, str], ...]:
    return (*(("near", other) for other in among if other != target), ("harmful", harmful))


TASKS = (
    Task("handwriting-1", "pictures", "handwriting", 1, PRINT, seed=1),
    Task("handwriting-5", "pictures", "handwriting", 5, PRINT, seed=2),
    Task("handwriting-20", "pictures", "handwriting", 20, SHUFFLED, seed=3),
    Task("handwriting-100", "pictures", "handwriting", 100, SHUFFLED, final=500, seed=4),
    Task("mnist-2", "pictures", "mnist", 2, MNIST, final=2000, seed=5),
    Task("mnist-10", "pictures", "mnist", 10, MNIST, final=2000, seed=6),
    Task("mnist-50", "pictures", "mnist", 50, MNIST, final=2000, seed=7),
    Task("usps-5", "pictures", "usps", 5, (("near", "mnist"), *MNIST[::2], ("harmful", "mnist~wrong")), seed=8),
    Task("coil-2", "pictures", "coil2", 2, (("near", "coil1"), ("far", "usps"), ("harmful", "coil1~shuffled")), seed=9),
    Task("cifar-5", "pictures", "cifar", 5, CIFAR, holdout=250, final=650, seed=10),
    Task("cifar-20", "pictures", "cifar", 20, CIFAR, holdout=250, final=550, seed=11),
    Task("signs-5", "pictures", "signs", 5, SIGNS, seed=12),
    Task("signs-20", "pictures", "signs", 20, SIGNS, seed=13),
    Task("spoken-2", "sound", "theo", 2, SPOKEN, rows=500, holdout=150, final=300, seed=14),
    Task("spoken-10", "sound", "nicolas", 10, SPOKEN, rows=500, holdout=150, final=250, seed=15),
    Task("questions-16", "text", "questions", 16, SHORT_TEXTS, steps=30, seed=16),
    Task("banking-5", "text", "banking", 5, SHORT_TEXTS, classes=10, steps=30, seed=17),
    Task("movies-50", "text", "stanford", 50, (*WORDS, ("random", "glove~random")), seed=18),
    Task("restaurants-20", "text", "yelp", 20, (("near", "amazon_reviews"), *WORDS), final=600, seed=19),
    Task("shopping-100", "text", "amazon_reviews", 100, (("near", "yelp"), *WORDS), final=450, seed=20),
    Task(
        "cleveland-10", "table", "cleveland", 10, _others("cleveland", SITES, "hungarian~wrong"), holdout=120, seed=21
    ),
    Task(
        "hungarian-20",
        "table",
        "hungarian",
        20,
        _others("hungarian", SITES, "cleveland~shuffled"),
        holdout=100,
        seed=22,
    ),
    Task("va-5", "table", "va", 5, _others("va", SITES, "cleveland~wrong"), holdout=80, seed=23),
    Task("red_wine-50", "table", "red_wine", 50, (("near", "white_wine"), ("harmful", "white_wine~wrong")), seed=24),
    Task("webcam-3", "vectors", "webcam", 3, _others("webcam", OBJECTS, "amazon~wrong"), holdout=100, seed=25),
    Task("caltech-10", "vectors", "caltech", 10, _others("caltech", OBJECTS, "amazon~shuffled"), seed=26),
)
