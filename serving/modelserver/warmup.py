"""Warm-up: replays the requests that travel with a version before it serves."""

import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from serving.modelserver.errors import DataLossError, InvalidArgumentError, UnimplementedError
from serving.modelserver.predict import predict
from serving.modelserver.servable import Servable
from tfserving_api.messages import PredictionLog
from tfserving_api.tfrecord import TFRecordError, read_records

_log = logging.getLogger(__name__)

REQUESTS_FILE = Path("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1000


def read_warmup_records(version_path: Path) -> list[Any]:
    """The PredictionLogs that travel with a version; none if it has no such file.

    Raises:
      InvalidArgumentError: more than MAX_RECORDS, or one that is no PredictionLog.
      DataLossError: the file is damaged.
    """
    path = version_path / REQUESTS_FILE
    if not path.is_file():
        return []
    records = list(islice(_parsed(path), MAX_RECORDS + 1))
    if len(records) > MAX_RECORDS:
        raise InvalidArgumentError(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}")
    return records


def _parsed(path: Path) -> Iterator[Any]:
    try:
        for record in read_records(path):
            yield PredictionLog.FromString(record)
    except DecodeError as err:
        raise InvalidArgumentError(f"Failed to parse warmup record: {err} from {path}") from err
    except TFRecordError as err:
        raise DataLossError(f"{err}. Please verify your warmup data is in TFRecord format.") from err


def warm_up(servable: Servable, records: list[Any], iterations: int) -> None:
    """Runs each record as often as told, one after the other.

    Raises:
      ServingError: a request fails; then the version must not serve.
    """
    for record in records:
        kind = record.WhichOneof("log_type")
        if kind == "predict_log":
            for _ in range(max(1, iterations)):
                predict(servable, record.predict_log.request)
        elif kind in {"classify_log", "regress_log", "multi_inference_log"}:
            # TensorFlow Serving could answer it, so the version is fine; only the stand-in cannot.
            _log.warning("%s: skipping a warm-up record of kind %s", servable.name, kind)
        elif kind is not None:
            raise UnimplementedError(f"Unsupported log_type for warmup: {kind}")
