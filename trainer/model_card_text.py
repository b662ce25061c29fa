"""The model card as Markdown, for people."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

NO_GATE = "Published by hand: no gate has looked at this version."

_ORDER = (
    ("training_data", "Training data"),
    ("pretrained_weights", "Pretrained weights"),
    ("split", "Split"),
    ("metrics", "Metrics"),
    ("verdict", "Thresholds"),
    ("limits", "Limits"),
    ("known_shortcuts", "Known shortcuts"),
    ("gate", "Gate"),
    ("packages", "Packages"),
)
_MEANINGS = {
    "temperature": "divides the log odds of a tumor",
    "threshold": "probability of a tumor from which on a slice is called Tumor",
    "conformal_coverage": "share of slices of each class whose true label is to stay open",
    "conformal_limits": "a label stays open up to this improbability; a verdict whose label alone is open is reliable",
    "least_odds": "of a reliable verdict, its label against the other",
    "in_domain_share": "of validation slices, within the distance at which a slice is out of domain",
    "critic_share": "of validation slices, within the domain critic's limit",
    "saturation_limit": "No Tumor is uncertain where more of the brain than this share is white",
}
"""Of the thresholds."""
_FIGURES = {"accuracy": "accuracy", "AUC": "auc", "sensitivity": "sensitivity", "specificity": "specificity"}
"""Names of the intervals, and of the figures of the test split."""

_MARKUP = re.compile(r"[\\`*_\[\]<>&|~$]")


def model_card_text(card: Mapping[str, Any]) -> str:
    """Renders a card that `trainer.model_card` has made."""
    versions = ", ".join(map(str, card["lineage"])) or "none"
    lines = [
        f"# Model card: version {card['model_version']}",
        "",
        f"**{card['intended_use']}**",
        "",
        f"- architecture: `{card['architecture']}`, {card['parameters']:,} parameters",
        f"- created: {card['created']}",
        f"- stable versions before it: {versions}",
        f"- network: fitted for version {card['network_of_version']}",
        f"- seed: {card['seed']}; epochs: {epochs_text(card)}",
    ]
    parts = {**card, "gate": card["gate"] or [NO_GATE]}
    for key, title in _ORDER:
        if parts[key]:
            lines += ["", f"## {title}", "", *_RENDERED.get(key, _lines)(parts[key])]
    return "\n".join(lines) + "\n"


def epochs_text(card: Mapping[str, Any]) -> str:
    """Tells over how many epochs the network was fitted for this version."""
    return str(card["epochs"] or "none, since it was kept")


def _metrics(metrics: Mapping[str, Any]) -> Iterator[str]:
    test, calibration, intervals = metrics["test"], metrics["calibration"], metrics["intervals"]
    values = {name: test[key] for name, key in _FIGURES.items()}
    values |= {"ECE": calibration["ece"], "Brier score": calibration["brier_score"]}
    yield f"On {test['examples']} slices of the test split; ECE over {calibration['bins']} bins of P(tumor)."
    told = f"Intervals hold {intervals['share'] * 100:g} % of {intervals['method']}"
    yield f"{told}; a dash where these agree, which on few slices is no certainty."
    yield from ("", "| figure | value | interval |", "|---|---|---|")
    for name, value in values.items():
        low, high = intervals["bounds"][name]
        bounds = "-" if low is None else f"{low:.4f} to {high:.4f}"
        yield f"| {name} | {_number(value)} | {bounds} |"
    yield from ("", "| truth | called Tumor | called No Tumor |", "|---|---|---|")
    yield f"| tumor | {test['true_positives']} | {test['false_negatives']} |"
    yield f"| no tumor | {test['false_positives']} | {test['true_negatives']} |"
    yield from ("", "| reliability | verdicts | right |", "|---|---|---|")
    yield from (f"| {kind} | {found['slices']} | {found['right']} |" for kind, found in metrics["verdicts"].items())
    covered = ", ".join(f"{label} {_number(share)}" for label, share in metrics["coverage"].items())
    yield from ("", f"Conformal coverage reached: of the true labels, open were {covered}.")
    kept = ", ".join(f"{name} {_number(value)}" for name, value in metrics["kept_epoch"].items())
    yield from ("", f"Kept epoch: {kept}.")


def _thresholds(verdict: Mapping[str, Any]) -> Iterator[str]:
    yield from ("| threshold | value | meaning |", "|---|---|---|")
    for name, value in verdict.items():
        values = value if isinstance(value, Mapping) else {"": value}
        told = ", ".join(f"{of} {number:.4g}".strip() for of, number in values.items())
        yield f"| {name.replace('_', ' ')} | {told} | {_MEANINGS[name]} |"


def _lines(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        for name, value in part.items():
            yield f"- {name.replace('_', ' ')}: {_text(value)}"
    else:
        yield from (f"- {_text(item)}" for item in part)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):  # a shortcut
        return f"{value['name']}: {value['meaning']}"
    if isinstance(value, list):
        return "; ".join(map(_text, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else _plain(str(value))


def _plain(text: str) -> str:
    """Returns text as Markdown for itself, in one line: where data come from is in other people's words."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


_RENDERED: Mapping[str, Callable[[Any], Iterator[str]]] = {"metrics": _metrics, "verdict": _thresholds}
"""Parts that are no lists."""
