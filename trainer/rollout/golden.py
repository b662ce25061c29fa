"""Golden requests: what serving is warmed up with, and what the model itself answers to it.

Each record of `tf_serving_warmup_requests` is a PredictionLog whose request is a batch of
synthetic slices and whose response is the exported model's own answer. TensorFlow Serving
plays the requests before a version answers callers; `trainer.rollout.replay` compares the answers.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.imaging import InputSpec, preprocess
from tfserving_api.messages import PredictionLog
from tfserving_api.tensors import write_array
from tfserving_api.tfrecord import write_records
from trainer.data.synthetic import synthetic_slice
from trainer.evaluate import Candidate
from trainer.rollout.replay import GOLDEN_REQUESTS

_BATCHES = (("serving_default", 1), ("serving_default", 8), ("serving_default", 32), ("explain", 1))
"""Signatures and batch sizes that callers will use."""


def golden_images(count: int, spec: InputSpec) -> NDArray[np.uint8]:
    """Returns uint8 [count, H, W, C], every other slice with a lesion."""
    return np.stack([preprocess(synthetic_slice(seed, lesion=seed % 2 == 1), spec) for seed in range(count)])


def write_golden_requests(candidate: Candidate, model_name: str, version_dir: Path) -> None:
    """Writes one record for each of the batches that callers will use; `read_golden_requests` is the way back.

    Args:
      candidate: answers them.
      model_name: of the model that they are for.
      version_dir: of the SavedModel that gets them.
    """
    path = version_dir / GOLDEN_REQUESTS
    path.parent.mkdir(exist_ok=True)
    images = golden_images(max(size for _, size in _BATCHES), candidate.input_spec)
    records = (_record(candidate, model_name, signature, images[:size]) for signature, size in _BATCHES)
    write_records(path, (record.SerializeToString() for record in records))


def _record(candidate: Candidate, model_name: str, signature: str, images: NDArray[np.uint8]) -> Any:
    log = PredictionLog()
    request, response = log.predict_log.request, log.predict_log.response
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature
    write_array(images, request.inputs["images"])
    for name, array in candidate.predict(images, signature).items():
        write_array(array, response.outputs[name])
    return log
