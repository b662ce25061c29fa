"""The model card, as JSON and as Markdown."""

import dataclasses
import json
import math

import pytest
from markdown_it import MarkdownIt

from trainer.bootstrap import FIGURES
from trainer.figures import EpochMetrics, Evaluation
from trainer.model_card import Approval, DataSource, model_card
from trainer.model_card_text import NO_GATE, model_card_text
from trainer.reliability import Reliability, Trust, Verdicts
from trainer.report.intervals import Figure
from trainer.train import Training

_TRAINING = Training(
    "residual_cnn", 5, "f00d", 80, 16, 489402, [EpochMetrics(0.4, 0.8, 0.5, 0.75)], 0, 1.2, 0.4, (0.2, 0.7), 0.25
)
_EVALUATION = Evaluation(24, 0.875, 0.95, 10 / 12, 11 / 12, 10, 1, 11, 2)
_SOURCE = DataSource("made up", "CC0")
_TRUST = Trust(
    {
        Reliability.RELIABLE: Verdicts(20, 18),
        Reliability.UNCERTAIN: Verdicts(4, 3),
        Reliability.OUT_OF_DOMAIN: Verdicts(0, 0),
    },
    (0.9375, math.nan),
)


@pytest.fixture
def card():
    """Of a version that a job published, and whose Brier score has no meaning."""
    figures = {name: Figure(0.875, 0.75, 0.9375) for name in FIGURES}
    figures["Brier score"] = Figure(math.nan, math.nan, math.nan)
    approval = Approval("1", False, ("accuracy is low",))
    return model_card(7, [6, 4], _TRAINING, _EVALUATION, figures, _TRUST, {"brain area": 0.84}, _SOURCE, approval)


def test_it_is_json_that_every_parser_reads(card) -> None:
    assert json.loads(json.dumps(card, allow_nan=False)) == card


def test_it_tells_where_the_version_comes_from(card) -> None:
    assert (card["parent_version"], card["lineage"]) == (6, [6, 4])
    assert (card["seed"], card["epochs"]) == (5, 1)
    assert "Apache License 2.0" in card["pretrained_weights"][0]
    assert card["training_data"] == {"name": "made up", "licence": "CC0", "fingerprint": "f00d"}
    assert {"python", "numpy", "keras"} <= set(card["packages"])
    assert "Not a medical device" in card["intended_use"]


def test_its_limits_claim_nothing_of_a_data_set_that_nobody_has_looked_at(card) -> None:
    told = " ".join([card["intended_use"], *card["limits"]])

    assert "not patient-level" in told
    for claim in ("FLAIR", "names no patients", "per cent", "disagree"):
        assert claim not in told


def test_it_tells_figures_with_intervals_thresholds_and_shortcuts(card) -> None:
    assert card["metrics"]["test"]["true_positives"] == 10
    assert set(card["metrics"]["intervals"]["bounds"]) == set(FIGURES)
    assert card["metrics"]["intervals"]["bounds"]["AUC"] == [0.75, 0.9375]
    assert card["metrics"]["intervals"]["bounds"]["Brier score"] == [None, None]
    assert card["metrics"]["calibration"] == {"ece": 0.875, "bins": 15, "brier_score": None}
    assert (card["verdict"]["temperature"], card["verdict"]["threshold"]) == (1.2, 0.4)
    assert card["verdict"]["conformal_limits"] == {"No Tumor": 0.2, "Tumor": 0.7}
    assert card["verdict"]["saturation_limit"] == 0.25
    assert card["known_shortcuts"][0]["auc"] == 0.84


def test_it_tells_what_became_of_each_reliability_and_of_the_coverage(card) -> None:
    assert card["metrics"]["verdicts"] == {
        "RELIABLE": {"slices": 20, "right": 18},
        "UNCERTAIN": {"slices": 4, "right": 3},
        "OUT_OF_DOMAIN": {"slices": 0, "right": 0},
    }
    assert card["metrics"]["coverage"] == {"No Tumor": 0.9375, "Tumor": None}


def test_a_first_version_has_no_lineage() -> None:
    figures = {name: Figure(0.5, 0.5, 0.5) for name in FIGURES}
    card = model_card(1, [], _TRAINING, _EVALUATION, figures, _TRUST, {}, _SOURCE)

    assert (card["parent_version"], card["lineage"]) == (0, [])
    assert "- stable versions before it: none" in model_card_text(card)
    assert "Known shortcuts" not in model_card_text(card)


def test_a_version_that_was_published_by_hand_has_seen_no_gate() -> None:
    figures = {name: Figure(0.5, 0.5, 0.5) for name in FIGURES}
    card = model_card(1, [], _TRAINING, _EVALUATION, figures, _TRUST, {}, _SOURCE)

    assert card["gate"] is None
    assert f"## Gate\n\n- {NO_GATE}\n" in model_card_text(card)


def test_a_network_that_was_kept_took_no_epochs() -> None:
    figures = {name: Figure(0.5, 0.5, 0.5) for name in FIGURES}
    kept = dataclasses.replace(_TRAINING, network_of_version=6)
    card = model_card(7, [6], kept, _EVALUATION, figures, _TRUST, {}, _SOURCE)

    assert card["epochs"] == 0
    assert "- seed: 5; epochs: none, since it was kept" in model_card_text(card)


def test_what_others_call_their_data_stays_text(card) -> None:
    name = "a|b *c* `d` <script>e</script> &amp; [f](http://g) ![h](i) \\ _j_\n\n# k\n- l\r\n| m |\n|---|"
    card["training_data"]["name"] = name
    tokens = MarkdownIt("commonmark").enable("table").parse(model_card_text(card))
    (told,) = [token for token in tokens if token.content.startswith("name: ")]

    assert [part.type for part in told.children or () if part.type != "text_special"] == ["text"]
    assert "".join(part.content for part in told.children or ()) == f"name: {' '.join(name.split())}"
    assert [token.type for token in tokens].count("heading_open") == 10


def test_the_text_says_the_same(card) -> None:
    lines = model_card_text(card).splitlines()

    assert lines[0] == "# Model card: version 7"
    for line in (
        "| accuracy | 0.8750 | 0.7500 to 0.9375 |",
        "| Brier score | - | - |",
        "| tumor | 10 | 2 |",
        "| UNCERTAIN | 4 | 3 |",
        "Conformal coverage reached: of the true labels, open were No Tumor 0.9375, Tumor -.",
        "| threshold | 0.4 | probability of a tumor from which on a slice is called Tumor |",
        "| conformal coverage | 0.95 | share of slices of each class whose true label is to stay open |",
        "- brain area: alone it tells the labels of the test split apart with an AUC of 0.84",
        "- licence: CC0",
        "- reasons: accuracy is low",
        f"- python: {card['packages']['python']}",
    ):
        assert line in lines
    assert any(line.startswith("| conformal limits | No Tumor 0.2, Tumor 0.7 | ") for line in lines)
    headings = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert headings == [
        *(
            "Training data",
            "Pretrained weights",
            "Split",
            "Metrics",
            "Thresholds",
            "Limits",
            "Known shortcuts",
            "Gate",
            "Packages",
        )
    ]
