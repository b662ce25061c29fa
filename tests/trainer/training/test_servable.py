"""What a version says of a probability."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.reliability import Reliability
from trainer.training.calibration import LEAST_ODDS, Calibration
from trainer.training.domain_critic import build_critic
from trainer.training.servable import Judge


def _said(
    threshold: float, conformal: tuple[float, float], pixels: NDArray[np.float32], tumor: NDArray[np.float32]
) -> dict[str, NDArray[Any]]:
    """Answers of a version to which no picture is strange, and whose network has found these odds of a tumor."""
    calibration = Calibration(
        temperature=1.0,
        threshold=threshold,
        conformal=np.array(conformal, np.float32),
        means=np.zeros((2, 3), np.float32),
        precision=np.eye(3, dtype=np.float32),
        critic_limit=1e6,  # no picture is that far out
        saturation_limit=0.25,
    )
    judge = Judge(build_critic(pixels.shape[1:]), calibration)
    embeddings = np.zeros((len(pixels), 3), np.float32)
    outputs = judge.outputs(pixels, embeddings, np.stack([1 - tumor, tumor], axis=1))
    return {name: np.asarray(value) for name, value in outputs.items()}


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

    said = _said(threshold, conformal, np.zeros((500, 16, 16, 1), np.float32), tumor)

    for probability, label, reliability in zip(probabilities, said["label"], said["reliability"], strict=True):
        still_open = [kind for kind in (0, 1) if 1 - probability[kind] <= conformal[kind]]
        is_likely = probability[label] >= LEAST_ODDS * probability[1 - label]
        assert (reliability == Reliability.RELIABLE) == (still_open == [label] and is_likely), probability
    assert set(said["reliability"]) == {Reliability.RELIABLE, Reliability.UNCERTAIN}


def test_where_much_is_white_no_tumor_is_uncertain_and_a_tumor_is_one() -> None:
    pixels = np.zeros((4, 16, 16, 1), np.float32)
    pixels[:, 4:12, 4:12] = 0.5
    pixels[::2, 4:6, 4:12] = 1.0  # a quarter, and no more
    pixels[1::2, 4:7, 4:12] = 1.0
    tumor = np.array([0.02, 0.02, 0.98, 0.98], np.float32)

    said = _said(0.4, (0.5, 0.5), pixels, tumor)

    assert list(said["label"]) == [0, 0, 1, 1]
    reliable, uncertain = Reliability.RELIABLE, Reliability.UNCERTAIN
    assert list(said["reliability"]) == [reliable, uncertain, reliable, reliable]
