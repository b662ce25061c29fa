"""What is printed about one image: a line for people, or a line of JSON for programs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from braintumor.cli.record import value_name
from braintumor.errors import ServiceError
from braintumor.stream import Outcome
from braintumor.v1.classifier_service_pb2 import RELIABLE, PredictResponse, Reliability


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one image.

    Args:
      path: of the image, as the user knows it.
      outcome: the verdict, or why there is none.
      seconds: from the request to the outcome.
      explanation: files that explain the verdict, by what they show.
    """

    path: Path
    outcome: Outcome
    seconds: float = 0.0
    explanation: Mapping[str, str] = field(default_factory=dict)


def text_line(answer: Answer, *, with_path: bool) -> str:
    """Returns an answer for people; a failure always names the path."""
    path = "".join(char if char.isprintable() else repr(char)[1:-1] for char in click.format_filename(answer.path))
    if isinstance(answer.outcome, PredictResponse):
        verdict = _verdict_text(answer.outcome, answer.seconds)
        return f"{path}: {verdict}" if with_path else verdict
    error = _error_record(answer.outcome)
    words = ", ".join(filter(None, (error["code"], error["reason"])))
    return f"{path}: {error['message']} ({words})"


def json_line(answer: Answer) -> str:
    """Returns an answer for programs; its keys are those of the service's own JSON, in snake_case."""
    record: dict[str, Any] = {"path": str(answer.path)}
    if isinstance(answer.outcome, PredictResponse):
        prediction = answer.outcome.prediction
        record["prediction"] = {
            "class": prediction.label,
            "probability": prediction.probability,
            "reliability": value_name(Reliability.DESCRIPTOR, prediction.reliability),
            "ood_score": prediction.ood_score,
        }
        record["model_name"] = answer.outcome.model_name
        record["model_version"] = answer.outcome.model_version
        if answer.explanation:
            record["explanation"] = dict(answer.explanation)
    else:
        record["error"] = _error_record(answer.outcome)
    return json.dumps(record)


def _verdict_text(response: PredictResponse, seconds: float) -> str:
    prediction = response.prediction
    reliability = value_name(Reliability.DESCRIPTOR, prediction.reliability)
    doubt = "" if prediction.reliability == RELIABLE else f"  {reliability}"
    model = f"model {response.model_name}, version {response.model_version}, {seconds * 1e3:.0f} ms"
    return f"{prediction.label} {_probability_text(prediction.probability)}{doubt}  ({model})"


def _probability_text(probability: float) -> str:
    """Returns three digits; none that read as certainty."""
    text = f"{probability:.3f}"
    return {"0.000": "<0.001", "1.000": ">0.999"}.get(text, text)


def _error_record(error: ServiceError | OSError) -> dict[str, str]:
    """The one reason that is not the service's own word is UNREADABLE_FILE."""
    if isinstance(error, ServiceError):
        return {"code": error.code.name, "reason": error.reason, "message": " ".join(error.message.split())}
    message = f"cannot be read: {error.strerror or error}"
    return {"code": "INVALID_ARGUMENT", "reason": "UNREADABLE_FILE", "message": message}
