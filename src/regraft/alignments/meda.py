"""Manifold embedded distribution alignment."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from scipy.linalg import cho_factor, cho_solve
from torch import nn

from regraft.alignments._balance import balance
from regraft.alignments._base import Aligned, Alignment
from regraft.alignments._components import contrasts, frobenius, unit
from regraft.alignments._graph import roughness
from regraft.alignments._joint import pseudo_labels
from regraft.alignments.gfk import Gfk
from regraft.core.config import settings
from regraft.heads._kernels import bandwidth, gaussian, inverse_root, landmarks
from regraft.heads._layers import Kernel, through
from regraft.heads.knn import Knn


@settings
class Meda(Alignment):
    """Scores of the classes that fit the labels, agree between the domains, and vary little between neighbours.

    On features of the geodesic flow kernel, of unit length, a kernel machine takes the least squared error on labelled
    examples plus three penalties: differences of the domains' mean scores, of all and class by class by pseudo-labels;
    roughness along a graph of neighbours; the norm. Its scores, a column a class, are the common space; their largest
    is its own prediction. Exact up to ``landmarks`` examples, a combination of that many beyond.
    Reference: Wang, Feng, Chen, Yu, Huang and Yu, Visual domain adaptation with manifold embedded distribution
    alignment, ACM MM 2018, eqs. 10 to 16; options as in the authors' demonstration.
    """

    labelled: ClassVar[bool] = True
    components: Annotated[int, Field(ge=1)] = 20
    """Dimensions of the subspaces of the geodesic flow kernel."""
    centre: bool = True
    """Centre each domain by itself first; the authors standardise objects so, and their code does not do it itself."""
    agreement: Annotated[float, Field(ge=0)] = 10.0
    """Weight of the differences of mean scores (lambda)."""
    smoothness: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the roughness along the graph (rho)."""
    penalty: Annotated[float, Field(gt=0)] = 0.1
    """Weight of the norm (eta)."""
    neighbours: Annotated[int, Field(ge=1)] = 10
    """How many each example has in the graph."""
    gamma: Annotated[float, Field(gt=0)] | None = None
    """Of the kernel exp(-gamma |x - z|^2); None: one over the median squared distance."""
    rounds: Annotated[int, Field(ge=1)] = 10
    """Rounds of pseudo-labels, at most."""
    landmarks: Annotated[int, Field(ge=2)] = 2500
    """Examples that the scores are combinations of the kernel with."""

    def align(self, source: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray) -> Aligned:
        """See `Alignment.align`."""
        flow = Gfk(components=self.components, centre=self.centre).fit(source, None, target)
        z = np.concatenate([flow.source(source), flow.target(target)])
        shared = unit(z.shape[1])
        x = through(shared, z)
        marks, gamma = landmarks(x, self.landmarks), self.gamma or bandwidth(x)
        root = inverse_root(gaussian(marks, marks, gamma))
        rows, both = gaussian(x, marks, gamma) @ root, np.concatenate([labels, target_labels])
        taught = both >= 0
        fixed = rows[taught].T @ rows[taught] + self.penalty * np.eye(rows.shape[1])
        fixed += self.smoothness * roughness(x, rows, self.neighbours, cosine=True)
        factor, aim = cho_factor(fixed), rows[taught].T @ np.eye(int(both.max()) + 1)[both[taught]]
        guess = pseudo_labels(Knn(neighbours=1), x, labels, target_labels)
        for _ in range(self.rounds):
            weight = self._round(factor, aim, rows, (z, labels, guess))
            found = np.where(target_labels >= 0, target_labels, (rows[len(labels) :] @ weight).argmax(1))
            if (found == guess).all():
                break
            guess = found
        last = Kernel(
            {"landmarks": marks, "weight": root @ weight, "bias": np.zeros(weight.shape[1])},
            kind="gaussian",
            gamma=gamma,
        )
        return Aligned(*(nn.Sequential(part, shared, last) for part in (flow.source_layer, flow.target_layer)))

    def _round(self, factor: tuple, aim: np.ndarray, rows: np.ndarray, data: tuple) -> np.ndarray:
        """Coefficients (P, C) under the pseudo-labels; the differences of means, few, are an update of low rank."""
        z, labels, guess = data
        found = balance(z[: len(labels)], labels, z[len(labels) :], guess)
        among = contrasts(labels, guess, 1 - found, found)
        steps = np.sqrt(self.agreement / max(frobenius(among), 1e-300)) * (among @ rows)
        solved = cho_solve(factor, np.hstack([aim, steps.T]))
        plain, along = solved[:, : aim.shape[1]], solved[:, aim.shape[1] :]
        return np.asarray(plain - along @ np.linalg.solve(np.eye(len(steps)) + steps @ along, steps @ plain))
