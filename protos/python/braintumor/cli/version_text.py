"""Versions in words, for people."""

import json
from typing import Any

from braintumor.cli.job_text import figures_text
from braintumor.cli.record import word
from braintumor.cli.table import moment
from braintumor.v1.model_service_pb2 import (
    MODEL_VERSION_STATE_END,
    MODEL_VERSION_STATE_UNSPECIFIED,
    ModelVersion,
)

HEADER = ("VERSION", "LABELS", "IN SERVING", "ARCHITECTURE", "ACCURACY", "AUC", "CREATED")
"""Of a table of version_row."""


def version_row(version: ModelVersion) -> tuple[str, ...]:
    """Returns the cells of one version."""
    measured = version.HasField("evaluation")
    return (
        str(version.version),
        labels_text(version) or "-",
        _state(version) or "-",
        version.architecture or "-",
        f"{version.evaluation.accuracy:.3f}" if measured else "-",
        f"{version.evaluation.auc:.3f}" if measured else "-",
        moment(version.create_time) if version.HasField("create_time") else "-",
    )


def labels_text(version: ModelVersion) -> str:
    """Returns the labels of a version; that of a canary with its share."""
    shares = {"canary": f" {version.canary_percent:g} %"}
    return ", ".join(f"{label}{shares.get(label, '')}" for label in version.labels)


def card_text(version: ModelVersion) -> str:
    """Returns what is known of a version: a line for what the service says, and its model card."""
    labels = labels_text(version)
    lines = [f"version {version.version}{f', {labels}' if labels else ''}, {_state(version) or 'not'} in serving"]
    if version.HasField("evaluation"):
        lines.append(f"on its test split: {figures_text(version.evaluation)}")
    if version.model_card_json:
        lines += _lines(json.loads(version.model_card_json), "")
    return "\n".join(lines)


def _state(version: ModelVersion) -> str:
    """Returns what a version does in serving; empty where it is not there, be it no more or not yet."""
    absent = version.state in {MODEL_VERSION_STATE_UNSPECIFIED, MODEL_VERSION_STATE_END}
    return "" if absent else word(version, "state")


def _lines(card: Any, indent: str) -> list[str]:
    """Lays JSON out without brackets and quotes."""
    lines = []
    for name, value in card.items() if isinstance(card, dict) else (("-", item) for item in card):
        if isinstance(value, dict | list):
            lines += [f"{indent}{name}", *_lines(value, f"{indent}  ")]
        else:
            lines.append(f"{indent}{name}  {_text(value)}")
    return lines


def _text(value: str | float | None) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
    return str(value)
