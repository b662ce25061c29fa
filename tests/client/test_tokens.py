"""Tokens of callers, and the wire that they may go over."""

import asyncio
from functools import partial

import braintumor
import grpc
import pytest
from braintumor.channel import call_metadata


@pytest.mark.parametrize(
    ("address", "secure", "sent"),
    [
        ("127.0.0.1:50051", False, True),
        ("localhost:50051", False, True),
        ("unix:/run/gateway", False, True),
        ("gateway.example:50051", True, True),
        ("gateway.example:50051", False, False),
        ("dns:///gateway.example:50051", False, False),
        ("10.0.0.7:50051", False, False),
        ("127.0.0.1.example:50051", False, False),
        ("127.0.0.1:1,10.0.0.7:1", False, False),
    ],
)
def test_a_token_goes_over_no_network_in_plain_text(address, secure, sent):
    if sent:
        assert call_metadata(address, secure, (), "bt_x") == (("authorization", "Bearer bt_x"),)
        return
    with pytest.raises(ValueError, match="plain text"):
        call_metadata(address, secure, (), "bt_x")


def test_nor_does_a_token_in_metadata():
    with pytest.raises(ValueError, match="plain text"):
        call_metadata("gateway.example:50051", False, (("authorization", "Bearer bt_x"),), None)


def test_a_client_without_a_token_sends_none():
    assert call_metadata("gateway.example:50051", False, (("x-tenant", "7"),), None) == (("x-tenant", "7"),)


def test_a_token_may_be_renewed_between_calls(service):
    tokens = iter(["made", "first", "second", "third"])
    with braintumor.Client(service.address, token=partial(next, tokens)) as client:
        client.info()
        assert service.metadata["authorization"] == "Bearer first"
        list(client.predict_stream([]))
        assert service.metadata["authorization"] == "Bearer third"

    async def info() -> None:
        async with braintumor.AsyncClient(service.address, token=partial(next, iter(["made", "then"]))) as client:
            await client.info()

    asyncio.run(info())
    assert service.metadata["authorization"] == "Bearer then"


class _Away(grpc.RpcError):
    """What a client of the service that gives the tokens raises."""


def _renewed_once():
    yield "made"
    raise _Away


def test_why_a_token_cannot_be_renewed_is_told_as_it_is(service):
    """It is no error of the service that was called."""

    def client(kind):
        return kind(service.address, token=partial(next, _renewed_once()))

    with client(braintumor.Client) as one, pytest.raises(_Away):
        one.info()
    with client(braintumor.Client) as one, pytest.raises(_Away):
        next(one.watch("operations/1"))

    async def info() -> None:
        async with client(braintumor.AsyncClient) as one:
            await one.info()

    async def watch() -> None:
        async with client(braintumor.AsyncClient) as one:
            await anext(one.watch("operations/1"))

    for call in (info, watch):
        with pytest.raises(_Away):
            asyncio.run(call())


@pytest.mark.parametrize(
    ("token", "at"), [("bt_…", "'…' at position 4"), ("bt_x\n", r"'\\n' at position 5"), ("bt x", "' ' at position 3")]
)
def test_a_token_that_no_header_may_carry_is_told_where_it_is_given(token, at):
    with pytest.raises(ValueError, match=at) as told:
        braintumor.Client(token=token)
    assert token not in str(told.value)


def test_half_a_pair_of_files_is_told(tmp_path):
    with pytest.raises(ValueError, match="go together"):
        braintumor.channel_credentials(certificate=tmp_path / "own.pem")
