"""What is measured of a network on few labels."""

import numpy as np
import pytest

from regraft.understanding import likelihood


def test_features_that_tell_classes_apart_are_likelier():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    noise = rng.normal(size=(40, 5))
    assert likelihood(noise + 4 * labels[:, None], labels) > likelihood(noise, labels) + 0.3


@pytest.mark.parametrize("labels", [np.zeros(8, dtype=np.int64), np.arange(4)])
def test_nothing_to_tell_apart_makes_all_networks_equal(labels):
    """Fewer than ten numbers fall into one bin; of one example a class none can be validated."""
    assert likelihood(np.random.default_rng(0).normal(size=(len(labels), 3)), labels) == 0.0
