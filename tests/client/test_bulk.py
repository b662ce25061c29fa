"""A run over many images whose streams break."""

import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from braintumor.cli.bulk import Bulk
from braintumor.errors import ServiceError
from braintumor.requests import Question
from braintumor.stream import MAX_IN_FLIGHT
from braintumor.v1.classifier_service_pb2 import PredictResponse

AWAY = ServiceError(grpc.StatusCode.UNAVAILABLE, "away")
REFUSED = ServiceError(grpc.StatusCode.UNAUTHENTICATED, "expired", "TOKEN_EXPIRED")


class BreakingClient:
    """Reads up to MAX_IN_FLIGHT images ahead of its answers, as Client does.

    Args:
      streams: for each that is opened the number of its answers, and what breaks it then; after the last, all is well.

    Attributes:
      ahead: the most images that were read and not yet answered.
      senders: what reads the images of each stream.
    """

    def __init__(self, *streams: tuple[int, ServiceError]) -> None:
        self._streams = deque(streams)
        self.ahead = 0
        self.senders: list[Iterator[tuple[str, Path]]] = []

    def predict_stream(self, images: Iterator[tuple[str, Path]], **_: object) -> Iterator[tuple[str, PredictResponse]]:
        answers, error = self._streams.popleft() if self._streams else (None, None)
        self.senders.append(images)
        sent: deque[tuple[str, Path]] = deque()
        while answers is None or answers > 0:
            with suppress(OSError):  # Client has it raised by a stream that ends well.
                while len(sent) < MAX_IN_FLIGHT and (named := next(images, None)):
                    sent.append(named)
            self.ahead = max(self.ahead, len(sent))
            if not sent:
                return
            image_id, path = sent.pop()
            yield image_id, PredictResponse(model_name=path.name)
            answers = None if answers is None else answers - 1
        raise error


@pytest.fixture
def folder(tmp_path) -> Path:
    for index in range(1000):
        (tmp_path / f"{index}.png").touch()
    return tmp_path


def _bulk(client, folder: Path, timeout_s: float = 60) -> Bulk:
    return Bulk(client, [folder], Question(), timeout_s)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


def test_each_image_is_answered_once_over_streams_that_break(folder):
    client = BreakingClient((300, AWAY), (0, AWAY), (1, AWAY), (500, AWAY))
    answers = list(_bulk(client, folder).answers())
    assert all(answer.path.name == answer.outcome.model_name for answer in answers)
    assert Counter(answer.path for answer in answers) == Counter(folder.iterdir())
    assert client.ahead <= MAX_IN_FLIGHT


def test_a_sender_that_outlives_its_stream_takes_no_image_from_the_next(folder):
    client = BreakingClient((300, AWAY))
    answers = _bulk(client, folder).answers()
    begun = [next(answers) for _ in range(301)]
    assert len(client.senders) == 2
    late: list[object] = []
    sender = threading.Thread(target=lambda: late.extend(client.senders[0]))
    sender.start()
    sender.join(10)
    assert late == []
    assert len({answer.path for answer in (*begun, *answers)}) == 1000


@pytest.mark.parametrize(("error", "timeout_s"), [(AWAY, 0.0), (REFUSED, 60.0)], ids=["away for too long", "refused"])
def test_where_it_breaks_for_good_the_error_is_the_answer_to_the_rest_and_is_raised(folder, error, timeout_s):
    answers = _bulk(BreakingClient((300, AWAY), *[(0, error)] * 9), folder, timeout_s).answers()
    got = []
    with pytest.raises(ServiceError) as told:
        got.extend(answers)
    assert told.value in {AWAY, error}
    assert Counter(answer.path for answer in got) == Counter(folder.iterdir())
    assert sum(isinstance(answer.outcome, PredictResponse) for answer in got) == 300


def test_a_folder_that_cannot_be_listed_is_told_also_where_the_stream_broke_meanwhile(folder, monkeypatch):
    def unlisted(_: object) -> Iterator[Path]:
        yield from folder.iterdir()
        raise PermissionError("slices")

    monkeypatch.setattr("braintumor.cli.bulk.iter_images", unlisted)
    answers: list[object] = []
    with pytest.raises(PermissionError):
        answers.extend(_bulk(BreakingClient((950, AWAY)), folder).answers())
    assert len(answers) == 1000


def test_before_the_first_answer_an_error_is_raised_at_once(folder):
    with pytest.raises(ServiceError, match="away"):
        next(_bulk(BreakingClient((0, AWAY)), folder).answers())
