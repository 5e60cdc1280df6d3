"""The deep sides of `peers.py`: Regraft's loop, pytorch-adapt's hooks and skada's nets on one perceptron.

All start from the same weights, trained on the source beforehand, and take the same number of steps with the same AdamW
at a constant rate. Strengths are those of Regraft wherever the other has them: the sum of five kernels on features and
outputs (pytorch-adapt's own default: on probabilities), the reversed gradient's tenth, the steps of norms 0.05. Labels
are not smoothed, which Regraft would do. What Regraft answers with are running averages of the weights, as its methods
have them by default; the others have none. Regraft lets discrepancies grow over half of the phase and reversed
gradients over all of it (that of MCD to all of it); the others have them from the first step. MCD takes one step here
and six in pytorch-adapt, whose default repeats the last four times. pytorch-adapt's side draws its batches from tensors
in memory, which costs nothing; skada's has the loader that comes with it. Discriminators are the same on all sides.
skada's DAN has widths of its own, on features only, its CDAN no softmax in the map, its MDD a second head that ends in
a softmax. ADDA of pytorch-adapt begins where all do, so the first phase of ours, which learns the source, has one step.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from regraft.backbones.small import Small
from regraft.core import catalog
from regraft.core.seeding import derive
from regraft.data.dataset import Dataset, Domain, whole
from regraft.data.examples import Examples
from regraft.model import Model, Problem
from regraft.preprocessing.vectors import Vectors
from regraft.runtime import Runtime
from regraft.tasks.classification import Classification
from regraft.terms._domains import discriminator
from regraft.terms.domain_adversary import DomainAdversary, multilinear
from regraft.training import Descent, Engine, run

BATCH, RATE, REVERSAL, AVERAGE = 64, 1e-3, 0.1, 0.98
HIDDEN = DomainAdversary().hidden
SKADA = ("deep_coral", "dan", "dann", "cdan", "mcc", "deep_jdot", "mdd")
HOOKS = ("deep_coral", "dan", "jan", "dann", "cdan", "adda", "bsp", "mcd", "mcc", "bnm", "afn")
LEARNED: dict[str, dict[str, float]] = {"adda": {"share": 1e-3}}
"""Options: ADDA's first phase learns the source, as all have beforehand."""
METHODS = tuple(dict.fromkeys((*HOOKS, *SKADA)))
Answer = Callable[[], np.ndarray]


class Bench:
    """One drawn pair: standardised vectors, and the network that knows the source."""

    def __init__(self, pair: Any, epochs: int, seed: int) -> None:
        mean, spread = pair.source.mean(0), max(float(np.sqrt(pair.source.var(0).mean())), 1e-12)
        self.x, self.z = (((of - mean) / spread).clip(-10, 10).astype(np.float32) for of in (pair.source, pair.target))
        self.labels, self.seed, self.epochs = pair.labels, seed, epochs
        self.classes = tuple(str(c) for c in range(int(pair.labels.max()) + 1))
        self.steps = epochs * (max(len(self.x), len(self.z)) // BATCH)
        width = self.x.shape[1]
        self.backbone = Small(arch="mlp", table=Vectors(centre=(0.0,) * width, spread=(1.0,) * width))
        source, unlabeled = self._dataset("source", self.x, self.labels), self._dataset("target", self.z, None)
        domain = Domain("source", source)
        task = Classification(classes=self.classes, smoothing=0.0)
        self.learning = Problem(task, domain, self.backbone, seed)
        self.problem = Problem(task, Domain("target", unlabeled, unlabeled), self.backbone, seed, source=domain)
        self.start = self.blank()

    def _dataset(self, name: str, x: np.ndarray, labels: np.ndarray | None) -> Dataset:
        ids = tuple(f"{name}/{i}" for i in range(len(x)))
        return whole(Examples(ids, ids, tuple(map(Path, ids)), labels, self.classes), x)

    def blank(self) -> Model:
        """The perceptron as it is drawn."""
        torch.manual_seed(derive(self.seed, "network"))
        network = self.backbone.build()
        model = Model(network, nn.Linear(network.feature_dim, len(self.classes)), self.classes)
        model.task = self.problem.task
        return model

    def descended(self, name: str, start: Model, problem: Problem, steps: int) -> Model:
        """A method of the catalogue from ``start``, with the batches, optimiser and rate of all sides."""
        method: Any = catalog.find("methods", name)(**LEARNED.get(name, {}))
        plain = Descent(
            batch_size=BATCH, rate=RATE, warmup=0.0, schedule="constant", clip=0.0, average=AVERAGE, augment=None
        )
        phases = replace(method, descent=plain).with_steps(steps).phases(problem)
        return run(start, phases, problem, Engine(Runtime(threads=1)))

    def trained(self) -> dict[str, np.ndarray]:
        """Weights of the perceptron that has learned the source."""
        model = self.descended("scratch", self.blank(), self.learning, 300)
        return {name: tensor.numpy() for name, tensor in model.state_dict().items()}

    def began(self, weights: dict[str, np.ndarray]) -> None:
        """Start everything from these weights."""
        self.start.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
        self.problem = replace(self.problem, source_model=self.start)

    def answer(self, network: nn.Module) -> np.ndarray:
        """Classes (M,) of the target."""
        with torch.no_grad():
            return np.asarray(network.eval()(torch.from_numpy(self.z)).argmax(1))

    def ours(self, name: str) -> Answer:
        """Regraft's side."""
        return partial(self.answer, self.descended(name, self.start, self.problem, self.steps))

    def hooked(self, name: str) -> Answer:
        """The side of pytorch-adapt: a step is a call of a hook with a batch."""
        torch.manual_seed(derive(self.seed, "hooks"))
        models = {"G": deepcopy(self.start.backbone).train(), "C": deepcopy(self.start.head).train()}
        hook = getattr(self, f"_{name}", self._added)(name, models)
        x, z, y = (torch.from_numpy(of) for of in (self.x, self.z, self.labels))
        domains = {"src_domain": torch.zeros(BATCH), "target_domain": torch.ones(BATCH)}
        ours, theirs = (torch.cat([torch.randperm(len(of)) for _ in range(2 * self.epochs + 2)]) for of in (x, z))
        for step in range(self.steps):
            i, j = (of[step * BATCH : (step + 1) * BATCH] for of in (ours, theirs))
            hook({"src_imgs": x[i], "src_labels": y[i], "target_imgs": z[j], **domains, **models})
        head = models["C"].models[0] if name == "mcd" else models["C"]
        return partial(self.answer, nn.Sequential(models.get("T", models["G"]), head))

    def _optimisers(self, *models: nn.Module) -> list[torch.optim.Optimizer]:
        return [torch.optim.AdamW(of.parameters(), RATE, weight_decay=0.01, fused=True) for of in models]

    def _added(self, name: str, models: dict[str, nn.Module]) -> Any:
        """A loss beside that of the classes."""
        hooks, layers, weigh = _parts()
        made = {
            "deep_coral": lambda: (hooks.AlignerHook(layers.CORALLoss()), {}),
            "mcc": lambda: (hooks.MCCHook(layers.MCCLoss(T=2.5)), {}),
            "bnm": lambda: (hooks.BNMHook(), {}),
            "afn": lambda: (hooks.AFNHook(), {"afn_loss": 0.05}),
        }
        hook, weights = made[name]()
        opts = self._optimisers(models["G"], models["C"])
        return hooks.ClassifierHook(opts, weighter=weigh(weights=weights), post=[hook])

    def _dan(self, name: str, models: dict[str, nn.Module]) -> Any:
        hooks, layers, weigh = _parts()
        scales = torch.tensor([0.25, 0.5, 1.0, 2.0, 4.0])
        # Its kernels are averaged and Regraft's added: five times the weight is the same loss.
        weights = {"features_confusion_loss": 5.0, "logits_confusion_loss": 5.0}
        loss = layers.MMDLoss(kernel_scales=1 / scales, mmd_type="quadratic")
        opts = self._optimisers(models["G"], models["C"])
        # By default it compares probabilities; the paper and Regraft compare the outputs themselves.
        return hooks.AlignerPlusCHook(opts, weighter=weigh(weights=weights), loss_fn=loss, softmax=False)

    def _jan(self, name: str, models: dict[str, nn.Module]) -> Any:
        hooks, layers, weigh = _parts()
        loss = layers.MMDLoss(kernel_scales=1 / torch.tensor([0.25, 0.5, 1.0, 2.0, 4.0]), mmd_type="quadratic")
        joint = hooks.JointAlignerHook(loss_fn=loss, hook=hooks.FeaturesAndLogitsHook())
        weights = {"joint_confusion_loss": 5.0}  # as for `_dan`
        opts = self._optimisers(models["G"], models["C"])
        return hooks.AlignerPlusCHook(opts, weighter=weigh(weights=weights), aligner_hook=joint, softmax=True)

    def _adda(self, name: str, models: dict[str, nn.Module]) -> Any:
        hooks, _, weigh = _parts()
        models["T"] = deepcopy(models["G"])
        models["D"] = nn.Sequential(discriminator(self.start.backbone.feature_dim, HIDDEN), nn.Flatten(0))
        encoder = self._optimisers(models["T"])
        encoder[0].param_groups[0]["lr"] = catalog.find("methods", name)().factor * RATE
        judges = self._optimisers(models["D"])
        # What it takes of torchmetrics has since come to ask which task it is.
        vars(import_module("pytorch_adapt.layers.sufficient_accuracy"))["accuracy"] = _right
        return hooks.ADDAHook(d_opts=judges, g_opts=encoder, d_weighter=weigh(), g_weighter=weigh())

    def _bsp(self, name: str, models: dict[str, nn.Module]) -> Any:
        hooks, _, weigh = _parts()
        models["D"] = nn.Sequential(discriminator(self.start.backbone.feature_dim, HIDDEN), nn.Flatten(0))
        opts = self._optimisers(models["G"], models["C"], models["D"])
        weights = {"bsp_loss": catalog.find("methods", name)().penalty}
        given = {"weighter": weigh(weights=weights), "post_g": [hooks.BSPHook()]}
        return hooks.DANNHook(opts, gradient_reversal_weight=REVERSAL, **given)

    def _dann(self, name: str, models: dict[str, nn.Module]) -> Any:
        hooks, _, weigh = _parts()
        models["D"] = nn.Sequential(discriminator(self.start.backbone.feature_dim, HIDDEN), nn.Flatten(0))
        opts = self._optimisers(models["G"], models["C"], models["D"])
        return hooks.DANNHook(opts, weighter=weigh(), gradient_reversal_weight=REVERSAL)

    def _cdan(self, name: str, models: dict[str, nn.Module]) -> Any:
        hooks, _, weigh = _parts()
        inputs = self.start.backbone.feature_dim * len(self.classes)
        models["feature_combiner"] = _Product()
        models["D"] = nn.Sequential(discriminator(inputs, HIDDEN), nn.Flatten(0))
        opts = self._optimisers(models["G"], models["C"], models["D"])
        return hooks.CDANNEHook(opts=opts, weighter=weigh(), gradient_reversal_weight=REVERSAL)

    def _mcd(self, name: str, models: dict[str, nn.Module]) -> Any:
        hooks, layers, weigh = _parts()
        other = deepcopy(models["C"])
        with torch.no_grad():
            fresh = nn.Linear(other.in_features, other.out_features)
            other.weight += fresh.weight
            other.bias += fresh.bias
        models["C"] = layers.MultipleModels(models["C"], other)
        sides = [self._optimisers(models[key]) for key in "GC"]
        return hooks.MCDHook(*sides, **{f"{step}_weighter": weigh() for step in "xyz"})

    def netted(self, name: str) -> Answer:
        """The side of skada: a net of skorch, with its own loader."""
        deep_skada = import_module("skada.deep")
        torch.manual_seed(derive(self.seed, "net"))
        network = _Named(deepcopy(self.start.backbone), deepcopy(self.start.head))
        options: dict[str, Any] = {"layer_name": "features", "optimizer": torch.optim.AdamW, "lr": RATE}
        options |= {"optimizer__weight_decay": 0.01, "optimizer__fused": True, "batch_size": BATCH, "verbose": 0}
        options |= {"max_epochs": self.epochs, "train_split": None, "iterator_train__drop_last": True}
        width, classes = network.head.in_features, len(self.classes)
        judge = partial(import_module("skada.deep.modules").DomainClassifier, alpha=REVERSAL)
        made: dict[str, Callable[[], Any]] = {
            "deep_coral": lambda: deep_skada.DeepCoral(network, **options),
            "dan": lambda: deep_skada.DAN(network, **options),
            "dann": lambda: deep_skada.DANN(network, domain_classifier=_alike(judge, width), **options),
            "cdan": lambda: deep_skada.CDAN(network, domain_classifier=_alike(judge, width * classes), **options),
            "mcc": lambda: deep_skada.MCC(network, T=2.5, **options),
            "deep_jdot": lambda: deep_skada.DeepJDOT(network, reg_dist=0.01, **options),
            "mdd": lambda: deep_skada.MDD(network, disc_classifier=judge(width, classes), **options),
        }
        net = made[name]()
        both, domain = np.concatenate([self.x, self.z]), np.repeat([1, -2], [len(self.x), len(self.z)])
        net.fit(both, np.concatenate([self.labels, np.full(len(self.z), -1)]), sample_domain=domain)
        return partial(self.answer, net.module_.base_module_)


def _right(probabilities: torch.Tensor, domains: torch.Tensor) -> torch.Tensor:
    """The share of examples whose domain is told."""
    return ((probabilities > 0.5) == (domains > 0.5)).float().mean()


def _alike(judge: Callable[[int], Any], inputs: int) -> Any:
    """Skada's classifier of domains with the layers that all sides have, and a sigmoid at its end.

    As it comes it ends in a softmax of one number: 1 for every example, without a gradient to anything.
    """
    found = judge(inputs)
    found.classifier = nn.Sequential(*discriminator(inputs, HIDDEN), nn.Sigmoid())
    return found


class _Named(nn.Module):
    """The perceptron with names for its halves, as skada wants it."""

    def __init__(self, features: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features, self.head = features, head

    def forward(self, inputs: torch.Tensor, sample_weight: object = None) -> torch.Tensor:
        return self.head(self.features(inputs))


class _Product(nn.Module):
    """Every product of a feature and a probability, as Regraft's discriminator sees them."""

    def forward(self, features: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
        return multilinear(features, probabilities)


def _parts() -> tuple[Any, Any, Any]:
    hooks, layers = import_module("pytorch_adapt.hooks"), import_module("pytorch_adapt.layers")
    return hooks, layers, import_module("pytorch_adapt.weighters").MeanWeighter


def deep(bench: Bench) -> dict[str, dict[str, Callable[[], Answer]]]:
    """The contests of deep methods."""
    found: dict[str, dict[str, Callable[[], Answer]]] = {}
    for name in METHODS:
        catalog.find("methods", name)  # loaded here, as the other libraries are, so that no clock runs while it is
        found[name] = {"ours": partial(bench.ours, name)}
        for library, module, way, names in (
            ("skada", "skada.deep", bench.netted, SKADA),
            ("pytorch-adapt", "pytorch_adapt.hooks", bench.hooked, HOOKS),
        ):
            try:
                import_module(module)
            except ImportError:
                continue
            found[name] |= {library: partial(way, name)} if name in names else {}
    return found
