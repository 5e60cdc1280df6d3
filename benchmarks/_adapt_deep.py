"""adapt's side of `adapt_examples.py` for what needs tensorflow: run where torch is not, it prints scores as JSON."""

import json
import sys
from pathlib import Path

import numpy as np

CODED = ("CDAN",)
"""Those that take two columns of classes."""


def score(name: str, plan: dict, x: np.ndarray, y: np.ndarray, z: np.ndarray, truth: np.ndarray) -> float:
    """Accuracy, or R2 of numbers, of the documented call."""
    import adapt.feature_based
    import adapt.parameter_based

    few = plan["labels"]
    if name == "FineTuning":
        source = adapt.parameter_based.FineTuning(loss="mse", pretrain=False, random_state=0)
        source.fit(x, y, epochs=100, verbose=0)
        tuned = {"encoder": source.encoder_, "loss": "mse", "pretrain": True, "pretrain__epochs": 30}
        model = adapt.parameter_based.FineTuning(**tuned, random_state=0)
        model.fit(z[:few], truth[:few], epochs=100, verbose=0)
        said = np.asarray(model.predict(z)).ravel()
        return float(1 - np.mean((said - truth) ** 2) / np.var(truth))
    model = getattr(adapt.feature_based, name)(Xt=z, metrics=["acc"], random_state=0, **plan["options"])
    model.fit(x, np.stack([y, 1 - y], 1) if name in CODED else y, epochs=100, verbose=0)
    said = np.asarray(model.predict(z))
    found = said.argmax(1) == 0 if name in CODED else said.ravel() > 0.5
    return float(np.mean(found == truth.astype(bool)))


def main(folder: Path) -> None:
    """Every draw of every example."""
    plans, arrays = json.loads((folder / "plan.json").read_text()), np.load(folder / "arrays.npz")
    found = {
        name: [
            score(name, plan, *(arrays[f"{name}/{i}/{part}"] for part in ("source", "labels", "target", "truth")))
            for i in range(plan["draws"])
        ]
        for name, plan in plans.items()
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
