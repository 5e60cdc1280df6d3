"""Whether examples that are alike have the same label."""

from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.stats import rankdata

from regraft.core.config import settings
from regraft.heads._kernels import places
from regraft.scores._base import Evidence, Score, one_hot, spectrum


@settings
class Parc(Score):
    """Rank correlation of two distances between pairs of examples: of their features, and of their labels; in [-1, 1].

    Both distances are one minus Pearson's correlation of two rows: of standardised features, and of one-hot labels. The
    features are first rebuilt from their leading principal components. (The paper correlates the components, which
    depends on their signs, and those are arbitrary.) 0 where all features are the same.

    Reference: Bolya et al., Scalable diverse model selection for accessible transfer learning, NeurIPS 2021, section
    3.3, equation 4 (there times 100).
    """

    components: Annotated[int, Field(ge=1)] | None = 32
    """Principal components of the standardised features that are kept; None: all."""
    examples: Annotated[int, Field(ge=2)] = 1500
    """Examples of which all pairs are taken; of more, as many, spread over all."""

    def bounds(self, labels: np.ndarray) -> tuple[float, float]:
        """See `Score.bounds`."""
        return -1.0, 1.0

    def measure(self, evidence: Evidence) -> float:
        """The rank correlation over pairs."""
        some = places(evidence.features, self.examples)
        x, labels = evidence.features[some], one_hot(evidence.labels)[some]
        spread = x.std(0)
        x = np.divide(x - x.mean(0), spread, out=np.zeros_like(x), where=spread > 1e-9 * np.abs(x).max(initial=1e-300))
        if self.components is not None and x.any():
            main = spectrum(x)[0][:, -self.components :]  # ascending
            x = main @ (main.T @ x)
        pairs = np.triu_indices(len(x), 1)
        ours, theirs = (rankdata(-_correlations(rows)[pairs].round(9)) for rows in (x, labels))
        ours, theirs = ours - ours.mean(), theirs - theirs.mean()
        size = np.sqrt((ours @ ours) * (theirs @ theirs))
        return float(ours @ theirs / size) if size > 0 else 0.0


def _correlations(rows: np.ndarray) -> np.ndarray:
    """Pearson's correlation (N, N) of each pair of rows (N, D); 0 with a row that does not vary."""
    centred = rows - rows.mean(1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    units = np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 1e-12)
    return np.asarray(units @ units.T)
