"""A realistic run folder: numbers from a seeded generator, pictures from scikit-learn's handwritten digits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

Make = Callable[..., Path]
CLASSES = [str(i) for i in range(10)]
GAINS = {"helps": (0.041, 0.022, 0.060), "hurts": (-0.063, -0.091, -0.035), "undecided": (0.004, -0.013, 0.021)}
SENTENCES = {
    "helps": "The transfer helps: accuracy is 4.1 points higher than from scratch (95% interval 2.2 to 6.0 points).",
    "hurts": "The transfer hurts: accuracy is 6.3 points lower than from scratch (95% interval 3.5 to 9.1 points).",
    "undecided": "Cannot tell: the gain in accuracy is between -1.3 and 2.1 points (95% interval); "
    "a gain below 2.6 points is too small to be seen with these examples.",
}
METHODS = ("linear_probe", "logistic", "svm", "fine_tune", "probe_then_tune", "gradual", "l2_sp", "joint")


def metric(mean: float, half: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - half, "high": mean + half}


def candidates(rng: np.random.Generator) -> list[dict[str, Any]]:
    found = []
    for source, base in (("data:printed_digits", 0.93), ("data:printed_letters", 0.89), ("data:shuffled_digits", 0.85)):
        for rung, method in enumerate(METHODS[: 8 if "printed_d" in source else 4]):
            score = float(base + 0.012 * np.sqrt(rung) + rng.normal(0, 0.01))
            outcome = "dropped" if score < 0.9 else "finished" if score < 0.955 else "finalist"
            reason = "below the best by more than its error" if outcome == "dropped" else ""
            found.append(
                {"source": source, "method": method, "score": score, "error": float(rng.uniform(0.008, 0.02)),
                 "seconds": float(rng.uniform(0.2, 9)), "outcome": outcome, "reason": reason, "rung": rung // 3}
            )  # fmt: skip
    found.append({"source": "data:shuffled_digits", "method": "deep_coral", "score": None, "error": None,
                  "seconds": 1.2, "outcome": "failed", "reason": "not a number at step 40", "rung": 1})  # fmt: skip
    found.append({"source": "", "method": "scratch", "score": 0.899, "error": 0.017, "seconds": 5.0,
                  "outcome": "finalist", "reason": "the baseline is always finished", "rung": 2})  # fmt: skip
    return found


def record(verdict: str, rng: np.random.Generator) -> dict[str, Any]:
    mean, low, high = GAINS[verdict]
    accuracy = 0.902 + mean
    metrics = {"accuracy": metric(accuracy, 0.011), "macro_f1": metric(accuracy - 0.004, 0.012)}
    metrics |= {"log_loss": metric(0.192, 0.021), "calibration_error": metric(0.018, 0.006)}
    baseline = {"accuracy": metric(0.902, 0.016), "macro_f1": metric(0.899, 0.017)}
    baseline |= {"log_loss": metric(0.347, 0.04), "calibration_error": metric(0.034, 0.011)}
    names = ("data:printed_digits", "data:printed_letters", "data:shuffled_digits")
    ranking = [
        {"source": s, "rank": min(i + 1, 2) if verdict == "undecided" else i + 1,
         "scores": {"knn": {"value": 0.86 - 0.1 * i, "low": 0.81 - 0.1 * i, "high": 0.9 - 0.1 * i},
                    "linear_probe": {"value": 0.91 - 0.07 * i, "low": 0.87 - 0.07 * i, "high": 0.94 - 0.07 * i},
                    "logme": {"value": 1.31 - 0.4 * i, "low": 1.2 - 0.4 * i, "high": 1.4 - 0.4 * i}}}
        for i, s in enumerate(names)
    ]  # fmt: skip
    return {
        "verdict": verdict, "sentence": SENTENCES[verdict],
        "gain": {"mean": mean, "low": low, "high": high, "level": 0.95, "detectable": 0.026},
        "tests": {"seeds": 3.0, "examples": 600.0, "units": 600.0, "margin": 0.01, "equivalence_p": 0.99,
                  "seed_t_p": 0.012, "fixed": 41.3, "broken": 16.7, "mcnemar_p": 0.0004},
        "chosen": {"source": names[0], "method": "l2_sp"}, "shipped": "scratch" if verdict == "hurts" else "transfer",
        "metrics": metrics, "baseline": baseline, "candidates": candidates(rng), "ranking": ranking,
        "why": "svm from <b> did best in the race, but 3 candidates tie.",
        "left_out": [{"method": "deep_coral", "source": "data:printed_letters", "reason": "no unlabelled target"}],
        "sources": [{"uri": s, "kind": "data", "parameters": 94_666, "understood": {"pictures": "2,000 of 8 x 8"}}
                    for s in names],
        "data": {"target": "data/handwriting", "classes": CLASSES, "train": dict.fromkeys(CLASSES, 5),
                 "holdout": dict.fromkeys(CLASSES, 60), "unlabeled": 0, "duplicates": 2,
                 "skipped": [["data/handwriting/3/broken.png", "truncated after 112 bytes"]],
                 "protocol": "5 labels per class drawn with seed 0; the rest is the holdout"},
        "labels_read": ["training: 50 target labels", "race: the same 50", "judge: 600 holdout labels"],
        "curve": [{"labels_per_class": n, "chosen": c, "scratch": s} for n, c, s in
                  ((1, 0.882, 0.697), (3, 0.919, 0.846), (5, 0.943, 0.902), (20, 0.978, 0.977))],
        "citations": {"l2_sp": "Li, Grandvalet and Davoine (2018), Explicit Inductive Bias for Transfer Learning with "
                      "Convolutional Networks, ICML."},
        "seeds": 3, "seconds": 74.2, "budget": 90.0, "run": "runs/handwriting", "version": "0.1.0",
        "command": "regraft run --target data/handwriting --source data:printed_digits --source data:printed_letters "
                   "--source data:shuffled_digits --shots 5 --budget 90s --seeds 3 --out runs/handwriting",
    }  # fmt: skip


def outputs(rng: np.random.Generator, targets: np.ndarray, accuracy: float, shared: np.ndarray) -> np.ndarray:
    """Probabilities (3, N, 10) whose mistakes go to neighbouring classes and are partly ``shared`` by two models."""
    logits = rng.normal(0, 0.6, (3, len(targets), 10))
    doubt = 0.6 * shared + 0.4 * rng.random((3, len(targets)))
    wrong = doubt > np.quantile(doubt, accuracy)
    answer = np.where(wrong, (targets + rng.choice([1, 2, 7], targets.shape)) % 10, targets)
    np.put_along_axis(logits, answer[..., None], 4.5 - 2.5 * doubt[..., None], axis=2)
    exponent = np.exp(logits)
    return (exponent / exponent.sum(2, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], np.ndarray]:
    """Files of 600 handwritten digits, and what they show."""
    folder, digits = tmp_path_factory.mktemp("pictures"), load_digits()
    paths = [folder / f"{i:04d}.png" for i in range(600)]
    for path, picture in zip(paths, digits.images, strict=False):
        Image.fromarray((255 - picture * 15.9).astype(np.uint8)).save(path)
    return paths, digits.target[:600]


@pytest.fixture
def make_run(tmp_path: Path, pictures: tuple[list[Path], np.ndarray]) -> Make:
    def make(verdict: str = "helps", name: str = "handwriting", **changes: Any) -> Path:
        rng, run = np.random.default_rng(7), tmp_path / name
        (run / "evaluation").mkdir(parents=True)
        paths, targets = pictures
        shared = rng.random(600)
        accuracy = 0.902 + GAINS[verdict][0]
        np.save(run / "evaluation" / "chosen-outputs.npy", outputs(rng, targets, accuracy, shared))
        np.save(run / "evaluation" / "scratch-outputs.npy", outputs(rng, targets, 0.902, shared))
        centres = rng.normal(0, 5, (10, 2))
        spread = {"before": 0.5, "after": 1.3}
        maps = {when: (s * centres[targets] + rng.normal(0, 1.6, (600, 2))).tolist() for when, s in spread.items()}
        files = {
            "run.json": record(verdict, rng) | changes,
            "environment.json": {"python": "3.11.9", "torch": "2.15.0", "device": "cpu (2 cores)", "precision": "fp32"},
            "evaluation/holdout.json": {"ids": [p.stem for p in paths], "items": [str(p) for p in paths],
                                        "targets": targets.tolist(), "classes": CLASSES},
            "maps.json": maps | {"targets": targets.tolist()},
        }  # fmt: skip
        for file, content in files.items():
            (run / file).write_text(json.dumps(content))
        return run

    return make
