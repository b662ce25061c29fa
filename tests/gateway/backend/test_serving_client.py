"""Calls to serving, and its errors in the gateway's words, over a real socket."""

import asyncio
import socket
import tracemalloc
from contextlib import asynccontextmanager

import grpc
import numpy as np
import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from gateway.backend.channel import open_channel
from gateway.backend.served_version import ServedVersion
from gateway.backend.serving_client import ServingClient
from gateway.errors import (
    DeadlineExceededError,
    ModelFailedError,
    ModelVersionNotFoundError,
    NoModelError,
    ServingBusyError,
    ServingUnavailableError,
    VersionGoneError,
    VersionLabelNotFoundError,
)
from gateway.imaging import InputSpec

_IMAGES = [np.full((8, 8, 1), value, np.uint8) for value in (0, 51, 255)]


@asynccontextmanager
async def _client_of(serving):
    async with open_channel(serving.address) as channel:
        yield ServingClient(channel, "brain_tumor")


@pytest.mark.parametrize("typed_fields", [True, False])
async def test_outputs_come_back_by_name_with_a_row_for_each_image(start_serving, fake_version, typed_fields):
    versions = {1: fake_version(typed_fields=typed_fields)}
    async with start_serving(versions=versions) as serving, _client_of(serving) as client:
        outputs = await client.predict(1, "serving_default", _IMAGES, 5)
        assert set(outputs) == {"probabilities", "ood_score", "label", "reliability"}
        np.testing.assert_allclose(outputs["probabilities"], [[1, 0], [0.8, 0.2], [0, 1]], atol=1e-6)
        assert outputs["label"].tolist() == [0, 0, 1]
        assert serving.batch_sizes == [3]
        assert (await client.predict(1, "explain", _IMAGES, 5))["heatmap"].shape == (3, 2, 2)


async def test_a_batch_beyond_grpcs_default_limit_passes(start_serving, fake_version):
    versions = {1: fake_version(512, 512, 3)}
    async with start_serving(versions=versions) as serving, _client_of(serving) as client:
        outputs = await client.predict(1, "serving_default", [np.zeros((512, 512, 3), np.uint8)] * 16, 30)
        assert outputs["label"].shape == (16,)


@pytest.mark.parametrize(
    ("code", "details", "expected"),
    [
        (grpc.StatusCode.NOT_FOUND, "Servable not found for request: Specific(m, 1)", VersionGoneError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted", ServingBusyError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max (5 vs. 4)", ModelFailedError),
        (grpc.StatusCode.UNAVAILABLE, "Stream removed (Socket closed)", ServingUnavailableError),
        (grpc.StatusCode.CANCELLED, "", ServingUnavailableError),
        (grpc.StatusCode.INVALID_ARGUMENT, "tensor parsing error: images", ModelFailedError),
        (grpc.StatusCode.FAILED_PRECONDITION, "Could not find variable dense/kernel", ModelFailedError),
        (grpc.StatusCode.INTERNAL, "", ModelFailedError),
    ],
    ids=lambda value: value.name if isinstance(value, grpc.StatusCode) else "",
)
async def test_statuses_of_serving_become_errors_without_its_words(start_serving, refusal, code, details, expected):
    async with start_serving(refusals=[refusal(code, details)]) as serving, _client_of(serving) as client:
        with pytest.raises(expected) as caught:
            await client.predict(1, "serving_default", _IMAGES, 5)
        assert not details or details not in str(caught.value)


async def test_a_call_ends_at_its_deadline(start_serving):
    async with start_serving() as serving, _client_of(serving) as client:
        serving.open.clear()
        with pytest.raises(DeadlineExceededError):
            await client.predict(1, "serving_default", _IMAGES, 0.1)


async def test_an_answer_with_other_rows_than_images_is_the_models_failure(start_serving, fake_version):
    class _Deaf(fake_version):
        def run(self, images, signature, response):
            super().run(images[:1], signature, response)

    async with start_serving(versions={1: _Deaf()}) as serving, _client_of(serving) as client:
        with pytest.raises(ModelFailedError, match="one row for each image"):
            await client.predict(1, "serving_default", _IMAGES, 5)


async def test_an_output_that_is_no_tensor_is_the_models_failure(start_serving, fake_version):
    class _Short(fake_version):
        def run(self, images, signature, response):
            super().run(images, signature, response)
            response.outputs["probabilities"].tensor_content = b"short"

    async with start_serving(versions={1: _Short()}) as serving, _client_of(serving) as client:
        with pytest.raises(ModelFailedError, match="cannot be read"):
            await client.predict(1, "serving_default", _IMAGES, 5)


@pytest.mark.parametrize(
    ("claims", "complaint"),
    [
        ({"probabilities": (3, 2**28)}, "too long"),
        ({"probabilities": (3, 2**24), "ood_score": (3, 2**24)}, "too long"),
        ({"probabilities": (3, 2**24), "ood_score": (3, 2**24), "label": (3, -(2**26))}, "too long"),
        ({"label": (3, 2**24)}, "too long"),
        ({"probabilities": (2**24, 2)}, "one row for each image"),
    ],
    ids=["one", "together", "less than nothing", "long numbers", "rows"],
)
async def test_an_answer_that_claims_more_than_it_may_takes_no_memory(start_serving, fake_version, claims, complaint):
    """It is the model's failure. Numbers take 8 bytes in `label`, 4 in the others; 256 MiB are the most."""

    class _Boastful(fake_version):
        def run(self, images, signature, response):
            super().run(images, signature, response)
            for name, sizes in claims.items():
                shape = response.outputs[name].tensor_shape
                del shape.dim[:]
                for size in sizes:
                    shape.dim.add(size=size)

    async with start_serving(versions={1: _Boastful()}) as serving, _client_of(serving) as client:
        tracemalloc.start()
        try:
            with pytest.raises(ModelFailedError, match=complaint):
                await client.predict(1, "serving_default", _IMAGES, 5)
            assert tracemalloc.get_traced_memory()[1] < 2**24
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNKNOWN])
async def test_one_that_does_not_tell_what_it_holds_counts_as_away(start_serving, fake_version, refusal, code):
    class _Silent(fake_version):
        def signatures(self):
            raise refusal(code, "of the inside")

    async with start_serving(versions={1: _Silent()}) as serving, _client_of(serving) as client:
        with pytest.raises(ServingUnavailableError) as caught:
            await client.look_up(None, 5)
        assert "inside" not in str(caught.value)


async def test_one_that_speaks_otherwise_counts_as_away(start_serving, fake_version):
    class _Garbled(fake_version):
        def signatures(self):
            return BytesValue(value=b"\xff")

    async with start_serving(versions={1: _Garbled()}) as serving, _client_of(serving) as client:
        with pytest.raises(ServingUnavailableError, match="cannot be read"):
            await client.look_up(None, 5)


async def test_a_lookup_ends_in_time_where_nobody_answers():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        async with open_channel(f"127.0.0.1:{mute.getsockname()[1]}") as channel:
            with pytest.raises(ServingUnavailableError, match="does not answer"):
                await asyncio.wait_for(ServingClient(channel, "brain_tumor").look_up(None, 0.2), 10)


async def test_versions_are_looked_up_by_label_by_number_and_without_either(start_serving, fake_version):
    versions = {1: fake_version(), 4: fake_version(240, 240, 3), 5: fake_version(explains=False)}
    async with start_serving(versions=versions, labels={"stable": 4}) as serving, _client_of(serving) as client:
        assert await client.look_up("stable", 5) == ServedVersion(4, InputSpec(240, 240, 3), explains=True)
        assert await client.look_up(1, 5) == ServedVersion(1, InputSpec(8, 8, 1), explains=True)
        assert await client.look_up(None, 5) == ServedVersion(5, InputSpec(8, 8, 1), explains=False)


async def test_a_lookup_says_what_is_missing(start_serving):
    async with start_serving(versions={}, labels={"stable": 1}) as serving, _client_of(serving) as client:
        with pytest.raises(VersionLabelNotFoundError, match="canary"):
            await client.look_up("canary", 5)
        with pytest.raises(ModelVersionNotFoundError, match="stable"):
            await client.look_up("stable", 5)
        with pytest.raises(ModelVersionNotFoundError, match="7"):
            await client.look_up(7, 5)
        with pytest.raises(NoModelError):
            await client.look_up(None, 5)


async def test_nobody_at_the_address_is_unavailable(start_serving):
    async with start_serving() as serving:
        pass
    async with _client_of(serving) as client:
        with pytest.raises(ServingUnavailableError):
            await client.look_up(None, 5)
        with pytest.raises(ServingUnavailableError):
            await client.predict(1, "serving_default", _IMAGES, 5)
