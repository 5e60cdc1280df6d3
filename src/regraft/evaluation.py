"""What models make of a holdout, over seeds. Torch ends here."""

from collections.abc import Sequence

import numpy as np
import torch

from regraft.core.records import Evaluation, Interval
from regraft.data.dataset import Dataset
from regraft.data.splits import clusters
from regraft.features import forward
from regraft.guard import bootstrap, interval
from regraft.model import Model
from regraft.preprocessing._base import Preprocess
from regraft.runtime import Runtime
from regraft.tasks._base import RANGES, Task


def predict(model: Model, dataset: Dataset, preprocess: Preprocess, task: Task, runtime: Runtime) -> np.ndarray:
    """What the task makes of the model's outputs (N, K): for classification, class probabilities."""
    return task.predict(torch.from_numpy(forward(model, dataset, preprocess, runtime))).numpy()


def evaluation(predictions: Sequence[np.ndarray], holdout: Dataset, task: Task) -> Evaluation:
    """The record of predictions (N, K), one array a seed, on a holdout."""
    stacked = np.stack(predictions)
    utility, examples = task.utility(stacked, holdout.labels), holdout.examples
    return Evaluation(stacked, utility, holdout.labels, examples.ids, clusters(examples))


def figures(record: Evaluation, task: Task, level: float = 0.95) -> dict[str, Interval]:
    """Every metric of the task, mean over seeds, with its interval."""
    metrics, mean = task.metrics(), task.gauge.metric
    found = {} if task.gauge.lower else {mean: interval(record, level=level)}
    count = len(set(record.groups or record.ids))
    for name, metric in metrics.items():
        if name not in found:
            found[name] = bootstrap(metric, record, level).within(*RANGES.get(name, (-np.inf, np.inf)), count)
    return found
