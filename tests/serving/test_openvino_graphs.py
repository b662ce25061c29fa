"""Graphs that OpenVINO must leave to TensorFlow."""

from pathlib import Path

import pytest

from serving.modelserver.openvino_graphs import objection
from serving.modelserver.saved_model import read_meta_graph

TAGS = frozenset({"serve"})
SHIPPED = sorted((Path(__file__).parents[2] / "data/models/brain_tumor").glob("[0-9]*"))


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("alike", None),
        ("wide", "has numbers that OpenVINO may compute otherwise: Placeholder wide_x"),
        ("widened", "has numbers that OpenVINO may compute otherwise: Cast Cast"),
        ("precise", "has numbers that OpenVINO may compute otherwise: "),
        ("saturated", "has numbers that OpenVINO may compute otherwise: Cast Cast"),
        ("wrapping", "has numbers that OpenVINO may compute otherwise: AddV2 add"),
        ("asserted", "has a check that OpenVINO leaves out: Assert "),
        ("looked_up", "has a check that OpenVINO leaves out: GatherV2 GatherV2"),
        ("divided", "has numbers that OpenVINO may compute otherwise: FloorDiv floordiv"),
        ("backwards", "has numbers that OpenVINO may compute otherwise: Placeholder backwards_x"),
        ("totalled", "has numbers that OpenVINO may compute otherwise: Cast Cast"),
        ("unsigned", "has numbers that OpenVINO may compute otherwise: "),
        ("counted", "changes a variable, which OpenVINO freezes: AssignAddVariableOp AssignAddVariableOp"),
    ],
)
def test_what_openvino_would_answer_otherwise_is_told(saved_models: Path, signature: str, reason: str | None) -> None:
    meta_graph = read_meta_graph(saved_models / "unlike", TAGS)
    told = objection(meta_graph.graph_def, meta_graph.signature_def[signature])
    assert told == reason if reason is None else str(told).startswith(reason)


@pytest.mark.parametrize("version", SHIPPED, ids=lambda version: version.name)
def test_nothing_speaks_against_the_shipped_model(version: Path) -> None:
    meta_graph = read_meta_graph(version, TAGS)
    for signature in meta_graph.signature_def.values():
        assert objection(meta_graph.graph_def, signature) is None
