"""Answers become figures, or are told to be none."""

import numpy as np
import pytest

from trainer.errors import TrainingDivergedError
from trainer.evaluate import evaluate


def test_an_answer_that_is_no_number_is_told() -> None:
    """For a job, a command and a caller of Evaluate alike."""
    outputs = {"probabilities": np.array([[0.9, 0.1], [np.nan, np.nan]], np.float32), "label": np.array([0, 0])}

    with pytest.raises(TrainingDivergedError, match="the network's answer to some test slices is no number"):
        evaluate(outputs, np.array([0, 1]))
