"""What a version says of a probability."""

import numpy as np
import pytest

from trainer.reliability import Reliability
from trainer.training.calibration import LEAST_ODDS, Calibration
from trainer.training.domain_critic import build_critic
from trainer.training.servable import Judge


@pytest.mark.parametrize(
    ("threshold", "conformal"),
    [
        (0.317, (0.204, 0.723)),  # those of version 3, whose limits overlap below the threshold
        (0.4, (0.7, 0.7)),
        (0.4, (0.1, 0.1)),  # between the limits nothing is open
    ],
)
def test_a_verdict_is_reliable_where_its_label_alone_is_open_and_likely(
    threshold: float, conformal: tuple[float, float]
) -> None:
    tumor = np.linspace(0.001, 0.999, 500, dtype=np.float32)
    probabilities = np.stack([1 - tumor, tumor], axis=1)
    calibration = Calibration(
        temperature=1.0,
        threshold=threshold,
        conformal=np.array(conformal, np.float32),
        means=np.zeros((2, 3), np.float32),
        precision=np.eye(3, dtype=np.float32),
        critic_limit=1e6,  # no picture is that far out
    )
    judge = Judge(build_critic((16, 16, 1)), calibration)
    pixels, embeddings = np.zeros((500, 16, 16, 1), np.float32), np.zeros((500, 3), np.float32)

    said = {name: np.asarray(value) for name, value in judge.outputs(pixels, embeddings, probabilities).items()}

    for probability, label, reliability in zip(probabilities, said["label"], said["reliability"], strict=True):
        still_open = [kind for kind in (0, 1) if 1 - probability[kind] <= conformal[kind]]
        is_likely = probability[label] >= LEAST_ODDS * probability[1 - label]
        assert (reliability == Reliability.RELIABLE) == (still_open == [label] and is_likely), probability
    assert set(said["reliability"]) == {Reliability.RELIABLE, Reliability.UNCERTAIN}
