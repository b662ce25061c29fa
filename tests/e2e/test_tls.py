"""TLS between the processes: trainer and serving ask the gateway for a certificate, and are asked for theirs.

The stand-in for serving speaks no TLS, so it gets a relay before it that does.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from braintumor.errors import ServiceError, service_errors
from braintumor.v1.classifier_service_pb2 import PredictRequest
from braintumor.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from braintumor.v1.model_service_pb2 import (
    MODEL_VERSION_STATE_AVAILABLE,
    MODEL_VERSION_STATE_UNSPECIFIED,
    ListModelVersionsRequest,
)
from braintumor.v1.model_service_pb2_grpc import ModelServiceStub

_STRANGERS: dict[str, dict[str, str]] = {
    "whose certificate is of another authority": {"CERTIFICATE": "stranger.pem", "KEY": "stranger.key"},
    "who takes another authority for theirs": {"CA": "other.pem"},
    "who expects another name in theirs": {"NAME": "elsewhere.example"},
    "who has no certificate": {"CERTIFICATE": "", "KEY": ""},
}
"""Gateways that neither of the two may serve: what differs from the one that both do."""

_FOLLOWED = "serving-ca.pem"
"""What the trainer knows serving by."""


class _Relay(grpc.GenericRpcHandler):
    """Hands calls on in plain text."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)

    def service(self, handler_call_details: Any) -> Any:
        onward: Any = self.channel.unary_unary(handler_call_details.method)

        def hand_on(request: bytes, context: Any) -> Any:
            try:
                return onward(request, timeout=context.time_remaining())
            except grpc.RpcError as err:
                context.abort(err.code(), err.details())

        return grpc.unary_unary_rpc_method_handler(hand_on)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, authority: Any) -> Path:
    """Certificates of the processes, and of strangers."""
    folder: Path = tmp_path_factory.mktemp("tls")
    ours, other = authority(folder, "ours"), authority(folder, "other")
    for name in ("serving", "trainer", "gateway"):
        ours.issue(name)
    other.issue("stranger")
    (folder / _FOLLOWED).write_bytes(ours.certificate.read_bytes())
    return folder


@pytest.fixture(scope="module")
def serving(start_service: Any, data_root: Path) -> Iterator[Any]:
    """Serving of the trainer's versions, in plain text."""
    base_path = f"--model_base_path={data_root / 'models/brain_tumor'}"
    service = start_service(["serving.modelserver", "--port=0", "--model_name=brain_tumor", base_path])
    yield service
    service.stop()


@pytest.fixture(scope="module")
def secure_serving(serving: Any, folder: Path) -> Iterator[str]:
    """Address of the relay."""
    relay = _Relay(serving.address)
    with ThreadPoolExecutor(8) as threads, relay.channel:
        server = grpc.server(threads, handlers=[relay], options=[("grpc.max_receive_message_length", -1)])
        key, certificate, ca = (folder / name for name in ("serving.key", "serving.pem", "ours.pem"))
        pair = (key.read_bytes(), certificate.read_bytes())
        credentials = grpc.ssl_server_credentials([pair], ca.read_bytes(), require_client_auth=True)
        port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(None).wait()


@dataclass(frozen=True, slots=True)
class Trainer:
    """Where it listens."""

    address: str
    health_address: str


def _peer(prefix: str, folder: Path, **changes: str) -> dict[str, str]:
    """Settings of a process that calls another one over TLS; what is changed to nothing is not set."""
    named = {"CERTIFICATE": "gateway.pem", "KEY": "gateway.key", "CA": "ours.pem", "NAME": "localhost"} | changes
    return {f"{prefix}__{key}": name if key == "NAME" else str(folder / name) for key, name in named.items() if name}


@pytest.fixture(scope="module")
def trainer(start_service: Any, secure_serving: str, data_root: Path, folder: Path) -> Iterator[Trainer]:
    """A trainer that asks for certificates, and calls serving with one."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        health_address = f"127.0.0.1:{free.getsockname()[1]}"
    service = start_service(
        ["trainer", "serve"],
        {
            "DATA_ROOT": str(data_root),
            "TRAINER_ADDRESS": "127.0.0.1:0",
            "TRAINER_HEALTH_ADDRESS": health_address,
            "TRAINER_TLS__CERTIFICATE": str(folder / "trainer.pem"),
            "TRAINER_TLS__KEY": str(folder / "trainer.key"),
            "TRAINER_TLS__CLIENT_CA": str(folder / "ours.pem"),
            "SERVING_ADDRESS": secure_serving,
            **_peer("TRAINER_SERVING_TLS", folder, CA=_FOLLOWED),
        },
    )
    yield Trainer(service.address, health_address)
    assert service.stop() == 0


class Gateway:
    """Is asked once: the client would try again until its deadline."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._classifier: Any = ClassifierServiceStub(channel)
        self._models: Any = ModelServiceStub(channel)

    def predict(self, image: bytes) -> Any:
        with service_errors():
            return self._classifier.Predict(PredictRequest(image=image))

    def versions(self) -> list[Any]:
        with service_errors():
            return list(self._models.ListModelVersions(ListModelVersionsRequest()).model_versions)


@pytest.fixture
def gateway_with(start_service: Any, secure_serving: str, trainer: Trainer) -> Any:
    """Runs a gateway with some settings."""

    @contextmanager
    def running(settings: dict[str, str]) -> Iterator[Gateway]:
        common = {
            "GATEWAY_ADDRESS": "127.0.0.1:0",
            "SERVING_ADDRESS": secure_serving,
            "TRAINER_ADDRESS": trainer.address,
        }
        service = start_service(["gateway"], common | settings)
        try:
            with grpc.insecure_channel(service.address) as channel:
                yield Gateway(channel)
        finally:
            assert service.stop() == 0

    return running


def _known(folder: Path, **changes: str) -> dict[str, str]:
    return _peer("GATEWAY_SERVING_TLS", folder, **changes) | _peer("GATEWAY_TRAINER_TLS", folder, **changes)


def test_calls_go_all_the_way(gateway_with: Any, folder: Path, slices: list[bytes]) -> None:
    with gateway_with(_known(folder)) as gateway:
        assert gateway.predict(slices[1]).prediction.label == "Tumor"
        # The trainer knows it from serving, which it has asked over TLS too.
        assert [version.state for version in gateway.versions()] == [MODEL_VERSION_STATE_AVAILABLE]


@pytest.mark.parametrize("stranger", _STRANGERS)
def test_a_gateway_is_served_by_neither(stranger: str, gateway_with: Any, folder: Path, slices: list[bytes]) -> None:
    settings = _known(folder, **_STRANGERS[stranger])
    with gateway_with(settings | {"GATEWAY_DEFAULT_DEADLINE_S": "1"}) as gateway:
        with pytest.raises(ServiceError) as by_serving:
            gateway.predict(slices[1])
        with pytest.raises(ServiceError) as by_trainer:
            gateway.versions()
    told = [(caught.value.code, caught.value.reason) for caught in (by_serving, by_trainer)]
    assert told == [
        (grpc.StatusCode.UNAVAILABLE, "SERVING_UNAVAILABLE"),
        (grpc.StatusCode.UNAVAILABLE, "TRAINER_UNAVAILABLE"),
    ]


def test_the_probe_of_a_trainer_needs_no_certificate(trainer: Trainer) -> None:
    def status(address: str) -> int:
        return subprocess.run([sys.executable, "-m", "transport.health", address], check=False).returncode

    assert status(trainer.health_address) == 0
    assert status(trainer.address) == 1


def test_the_trainer_follows_the_files_that_it_calls_serving_with(gateway_with: Any, folder: Path) -> None:
    """A change that cannot be used leaves all as it was."""
    authorities = (folder / _FOLLOWED).read_bytes()
    with gateway_with(_known(folder)) as gateway:
        for contents, state in (
            (b"", MODEL_VERSION_STATE_AVAILABLE),
            ((folder / "other.pem").read_bytes(), MODEL_VERSION_STATE_UNSPECIFIED),
            (authorities, MODEL_VERSION_STATE_AVAILABLE),
        ):
            (folder / _FOLLOWED).write_bytes(contents)
            assert [version.state for version in gateway.versions()] == [state]


def test_the_trainer_follows_its_files(gateway_with: Any, authority: Any, folder: Path) -> None:
    """Last, since it changes them: a new certificate, and callers of a new authority, without a restart."""
    new = authority(folder, "new")
    new.issue("trainer")
    with gateway_with(_known(folder, CA="new.pem")) as gateway:
        assert gateway.versions()
    with gateway_with(_known(folder)) as gateway, pytest.raises(ServiceError, match="TRAINER_UNAVAILABLE"):
        gateway.versions()
    new.issue("gateway")
    (folder / "ours.pem").write_bytes((folder / "new.pem").read_bytes())
    with gateway_with(_known(folder)) as gateway:
        assert gateway.versions()
