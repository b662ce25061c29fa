"""Streams of both clients, held to one contract."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import braintumor
import grpc
import pytest
from braintumor.stream import MAX_IN_FLIGHT

Stream = Callable[..., Iterator[tuple[str, Any]]]


def _sync_stream(address: str, images: Iterable[tuple[str, Any]], **options: Any) -> Iterator[tuple[str, Any]]:
    with braintumor.Client(address) as client:
        yield from client.predict_stream(images, **options)


def _async_stream(address: str, images: Iterable[tuple[str, Any]], **options: Any) -> Iterator[tuple[str, Any]]:
    async def outcomes() -> AsyncIterator[tuple[str, Any]]:
        async with braintumor.AsyncClient(address) as client:
            async for outcome in client.predict_stream(images, **options):
                yield outcome

    with asyncio.Runner() as runner:
        stream = outcomes()
        while (outcome := runner.run(anext(stream, None))) is not None:
            yield outcome


@pytest.fixture(params=[_sync_stream, _async_stream], ids=["sync", "async"])
def stream(request) -> Stream:
    return request.param


def test_matches_answers_to_images_by_id(service, stream):
    outcomes = dict(stream(service.address, [("a", b"tumor"), ("b", b"clean"), ("c", b"unsure"), ("d", b"tumor")]))
    assert {image_id: outcome.prediction.label for image_id, outcome in outcomes.items()} == {
        "a": "Tumor", "b": "No Tumor", "c": "No Tumor", "d": "Tumor",
    }  # fmt: skip


def test_asks_all_images_the_same(service, stream):
    list(stream(service.address, [("a", b"tumor"), ("b", b"clean")], version_label="canary", explain=True))
    assert [(request.version_label, request.explain) for request in service.requests] == [("canary", True)] * 2


def test_a_bad_image_fails_alone(service, stream):
    outcomes = dict(stream(service.address, [("a", b"tumor"), ("b", b"broken"), ("c", b"clean")]))
    assert outcomes["a"].prediction.label == "Tumor"
    assert outcomes["c"].prediction.label == "No Tumor"
    assert (outcomes["b"].code, outcomes["b"].reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNSUPPORTED_FORMAT")


def test_an_unreadable_file_fails_alone(service, stream, tmp_path):
    present = tmp_path / "present.jpg"
    present.write_bytes(b"tumor")
    outcomes = dict(stream(service.address, [("a", tmp_path / "absent.jpg"), ("b", present), ("c", tmp_path)]))
    assert outcomes["b"].prediction.label == "Tumor"
    assert isinstance(outcomes["a"], FileNotFoundError)
    assert isinstance(outcomes["c"], IsADirectoryError)


def test_what_cannot_be_sent_has_its_outcome_at_once(service, stream):
    """Its source gives the next image only when the one before it has an outcome."""
    service.batch = 1
    turn = threading.Semaphore()

    def images() -> Iterator[tuple[str, Any]]:
        for named in (("a", b"tumor"), ("b", "absent.jpg"), ("c", bytes(17 * 2**20)), ("d", b"tumor")):
            assert turn.acquire(timeout=10), "the image before has no outcome"
            yield named

    async def one_by_one() -> AsyncIterator[tuple[str, Any]]:
        source = images()
        while (named := await asyncio.to_thread(next, source, None)) is not None:
            yield named

    order = []
    for name, _ in stream(service.address, images() if stream is _sync_stream else one_by_one()):
        order.append(name)
        turn.release()
    assert order == ["a", "b", "c", "d"]


def test_an_endless_source_of_unreadable_files_is_not_read_ahead(service, stream):
    outcomes = stream(service.address, ((str(index), "absent.jpg") for index in itertools.count()))
    assert [next(outcomes)[0] for _ in range(3 * MAX_IN_FLIGHT)] == list(map(str, range(3 * MAX_IN_FLIGHT)))


def test_an_image_that_is_far_too_large_fails_alone(service, stream, tmp_path):
    """One of over twice the limit would be refused with the whole stream."""
    large = tmp_path / "large.tif"
    with large.open("wb") as file:
        file.truncate(40 * 2**20)
    outcomes = dict(stream(service.address, [("a", b"tumor"), ("b", large), ("c", bytes(17 * 2**20)), ("d", b"clean")]))
    assert [outcomes[name].prediction.label for name in ("a", "d")] == ["Tumor", "No Tumor"]
    told = {(outcomes[name].code, outcomes[name].reason) for name in ("b", "c")}
    assert told == {(grpc.StatusCode.INVALID_ARGUMENT, "IMAGE_TOO_LARGE")}
    assert "has 41943040 bytes, the limit is 16777216" in str(outcomes["b"])


@pytest.mark.parametrize(
    ("named", "told"), [((7, b"tumor"), "the id of an image is a str, and not 7"), (("b", 7), "its path, and not int")]
)
def test_what_cannot_be_sent_is_told_after_the_answers_before_it(service, stream, named, told):
    outcomes = stream(service.address, [("a", b"tumor"), named])
    assert next(outcomes)[0] == "a"
    with pytest.raises(TypeError, match=told):
        next(outcomes)


def test_an_empty_stream_has_no_answers(service, stream):
    assert list(stream(service.address, [])) == []


def test_waits_for_a_service_that_is_away(service, stream):
    service.failures.extend([grpc.StatusCode.UNAVAILABLE] * 2)
    assert len(list(stream(service.address, [(str(i), b"tumor") for i in range(5)]))) == 5


def test_a_stream_that_breaks_is_an_error(service, stream):
    """Where a request is on its way at that moment, grpc.aio forgets what the service said."""
    service.batch = 1
    outcomes = stream(service.address, [("a", b"tumor"), ("b", b"drop"), ("c", b"tumor")])
    assert next(outcomes)[0] == "a"
    with pytest.raises(braintumor.ServiceError, match=r"goes away|on its way") as broken:
        next(outcomes)
    assert broken.value.code == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("count", [3, 300])
def test_a_stream_that_ends_early_is_an_error(service, stream, count):
    """Whether all images were sent by then or not."""
    service.batch = 1
    outcomes = stream(service.address, [("a", b"tumor"), *((str(i), b"enough") for i in range(count))])
    assert next(outcomes)[0] == "a"
    with pytest.raises(braintumor.ServiceError, match=r"ended with 1 answers to \d+ images|on its way"):
        next(outcomes)


def test_what_the_source_raises_comes_after_the_answers(service, stream):
    def images() -> Iterator[tuple[str, bytes]]:
        yield "a", b"tumor"
        yield "b", b"tumor"
        raise LookupError("the archive is gone")

    outcomes = stream(service.address, images())
    assert {next(outcomes)[0], next(outcomes)[0]} == {"a", "b"}
    with pytest.raises(LookupError, match="archive"):
        next(outcomes)


def test_a_stalled_stream_ends(service, stream):
    service.batch = 1
    outcomes = stream(service.address, [("a", b"tumor"), ("b", b"hang")], timeout_s=0.3)
    assert next(outcomes)[0] == "a"
    with pytest.raises(braintumor.ServiceError, match=r"no answer on the stream for 0\.3 s") as stalled:
        next(outcomes)
    assert stalled.value.code == grpc.StatusCode.DEADLINE_EXCEEDED


def test_does_not_read_far_ahead_of_the_answers(service, stream):
    """A folder of any size costs the memory of MAX_IN_FLIGHT images."""
    service.batch = MAX_IN_FLIGHT
    total, taken, answered, ahead = 3 * MAX_IN_FLIGHT, 0, 0, 0

    def images() -> Iterator[tuple[str, bytes]]:
        nonlocal taken, ahead
        for index in range(total):
            taken += 1
            ahead = max(ahead, taken - answered)
            yield str(index), b"tumor"

    for _ in stream(service.address, images()):
        answered += 1
    assert answered == total
    assert ahead <= MAX_IN_FLIGHT + 1  # an answer may be on its way into `answered`


def test_leaving_a_stream_ends_its_call(service):
    with braintumor.Client(service.address) as client:
        outcomes = client.predict_stream([("a", b"hang"), ("b", b"tumor"), ("c", b"tumor"), ("d", b"tumor")])
        next(outcomes)
        outcomes.close()
        assert service.stream_ended.wait(10)
        assert client.predict(b"tumor").prediction.label == "Tumor"


def test_leaving_an_async_stream_ends_its_call(service):
    async def leave() -> None:
        async with braintumor.AsyncClient(service.address) as client:
            outcomes = client.predict_stream([("a", b"hang"), ("b", b"tumor"), ("c", b"tumor"), ("d", b"tumor")])
            await anext(outcomes)
            await outcomes.aclose()
            assert await asyncio.to_thread(service.stream_ended.wait, 10)
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            assert not rest or not (await asyncio.wait(rest, timeout=10))[1]

    asyncio.run(leave())


def test_no_thread_stays_behind(service):
    with braintumor.Client(service.address) as client:
        before = set(threading.enumerate())
        assert len(list(client.predict_stream([(str(i), b"tumor") for i in range(300)]))) == 300
        for thread in set(threading.enumerate()) - before:
            if not thread.name.startswith("ThreadPoolExecutor"):
                thread.join(10)
                assert not thread.is_alive()
