"""Rollouts over several replicas of serving."""

import asyncio
from contextlib import AsyncExitStack, ExitStack

import grpc
import pytest

from tfserving_api.messages import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
)
from trainer.errors import RolloutError, ServingUnavailableError
from trainer.rollout.files import RolloutFiles
from trainer.rollout.rollout import Rollout
from trainer.rollout.serving_client import ServingClient, VersionState, VersionStatus
from trainer.rollout.serving_fleet import ServingFleet
from trainer.rollout.state import RolloutState
from transport.peer_tls import FollowedPeerTls, connect
from transport.tls_settings import PeerTls

_NOBODY = "127.0.0.1:1"
_NO_NAME = "no-such..name:8500"
_AVAILABLE, _START, _END = VersionState.AVAILABLE, VersionState.START, VersionState.END


class _Replica:
    """Tells states and labels as it is told to."""

    def __init__(self, states=(), stable=None, error=""):
        self.states = dict(states)
        self.stable = stable
        self.error = error
        self.address = "127.0.0.1:0"
        self.credentials = None

    async def start(self):
        self.server = grpc.aio.server()
        methods = {
            "Model": ("GetModelStatus", self._status, GetModelStatusRequest, GetModelStatusResponse),
            "Prediction": ("GetModelMetadata", self._metadata, GetModelMetadataRequest, GetModelMetadataResponse),
        }
        for service, (method, answer, request, response) in methods.items():
            handler = grpc.unary_unary_rpc_method_handler(answer, request.FromString, response.SerializeToString)
            name = f"tensorflow.serving.{service}Service"
            self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, {method: handler})])
        if self.credentials:
            port = self.server.add_secure_port(self.address, self.credentials)
        else:
            port = self.server.add_insecure_port(self.address)
        self.address = f"127.0.0.1:{port}"
        await self.server.start()
        return self

    async def _status(self, _request, _context):
        response = GetModelStatusResponse()
        for version, state in self.states.items():
            status = response.model_version_status.add(version=version, state=int(state))
            if self.error:
                status.status.error_code, status.status.error_message = 2, self.error
        return response

    async def _metadata(self, _request, context):
        if self.stable is None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Unrecognized servable version label: stable")
        response = GetModelMetadataResponse()
        response.model_spec.version.value = self.stable
        return response


def _asked(question, *replicas, beside=""):
    """Answers a question to a fleet of replicas."""

    async def scene():
        async with AsyncExitStack() as stack:
            for replica in replicas:
                await replica.start()
                stack.push_async_callback(replica.server.stop, None)
            addresses = ",".join([*(replica.address for replica in replicas), *([beside] if beside else [])])
            return await question(ServingFleet(addresses, "brain_tumor"))

    return asyncio.run(scene())


@pytest.mark.parametrize(
    ("states", "shared"),
    [
        ([{1: _AVAILABLE}, {1: _AVAILABLE}], _AVAILABLE),
        ([{1: _AVAILABLE}, {1: _START}], VersionState.LOADING),
        ([{1: _AVAILABLE}, {}], VersionState.LOADING),
        ([{1: _AVAILABLE}, {1: _END}], VersionState.LOADING),
        ([{1: _END}, {}], _END),
    ],
)
def test_a_version_is_available_when_all_hold_it(states, shared):
    assert _asked(ServingFleet.statuses, *map(_Replica, states)) == {1: VersionStatus(shared)}


def test_a_version_that_fails_in_one_has_failed():
    broken = _Replica({1: _END}, error="no variables")
    told = _asked(ServingFleet.statuses, _Replica({1: _AVAILABLE}), broken)
    assert told == {1: VersionStatus(_END, "no variables")}


@pytest.mark.parametrize("away", [_NOBODY, _NO_NAME])
def test_those_that_are_away_do_not_count(away):
    told = _asked(ServingFleet.statuses, _Replica({1: _AVAILABLE}), beside=away)
    assert told == {1: VersionStatus(_AVAILABLE)}
    with pytest.raises(ServingUnavailableError):
        _asked(ServingFleet.statuses, beside=away)


def test_a_label_leads_somewhere_when_all_agree():
    async def label(fleet):
        return await fleet.version_labelled("stable")

    assert _asked(label, _Replica(stable=7), _Replica(stable=7)) == 7
    assert _asked(label, _Replica(), _Replica()) is None
    with pytest.raises(ServingUnavailableError, match="differ"):
        _asked(label, _Replica(stable=7), _Replica(stable=8))


async def test_one_that_comes_back_with_another_authority_is_known_by_the_renewed_file(authority, tmp_path):
    replica = _Replica({1: _AVAILABLE})
    noted = []

    async def comes_back():
        ours = authority(tmp_path, "ours")
        own = ours.issue("serving")
        replica.credentials = grpc.ssl_server_credentials([(own.key.read_bytes(), own.certificate.read_bytes())])
        await replica.start()
        return ours.certificate

    ca = await comes_back()
    tls = FollowedPeerTls(PeerTls(ca=ca), lambda *told: noted.append(told))
    fleet = ServingFleet(replica.address, "brain_tumor", tls)
    assert (await fleet.statuses())[1].state is _AVAILABLE
    ca.write_bytes(b"")
    assert (await fleet.statuses())[1].state is _AVAILABLE
    assert noted[-1] == (str(ca), True)
    await replica.server.stop(None)
    await comes_back()
    assert (await fleet.statuses())[1].state is _AVAILABLE
    assert noted[-1] == (str(ca), False)
    await replica.server.stop(None)


@pytest.fixture
def replicas(settings, add_version, serving):
    """Two model servers on version 1; the second reads models.config at its leisure."""
    add_version(1)
    RolloutFiles(settings).write(RolloutState(stable=1))
    late = type(serving)(settings, "--model_config_file_poll_wait_seconds=3")
    with ExitStack() as stack:
        stack.callback(late.kill)
        serving.start()
        late.start()
        yield serving, late


def test_a_label_waits_for_the_last_replica(replicas, settings, add_version):
    """Had it moved before, the late one would have refused the config, and kept the old label for good."""
    add_version(2, "rgb")

    async def scene():
        fleet = ServingFleet(",".join(replica.address for replica in replicas), settings.model_name)
        await Rollout(settings, fleet).roll_out(2)
        for replica in replicas:
            async with connect(replica.address) as channel:
                assert await ServingClient(channel, settings.model_name).version_labelled("stable") == 2

    asyncio.run(scene())


def test_a_version_that_one_replica_cannot_load_changes_nothing(replicas, settings, add_version):
    (add_version(2) / "saved_model.pb").write_bytes(b"broken")

    async def scene():
        fleet = ServingFleet(",".join(replica.address for replica in replicas), settings.model_name)
        with pytest.raises(RolloutError, match="does not load"):
            await Rollout(settings, fleet).roll_out(2)
        assert await fleet.version_labelled("stable") == 1

    asyncio.run(scene())
