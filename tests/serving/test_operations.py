"""What operations need: metadata, status, HTTP, metrics, health, reflection, sockets."""

import json
import shutil
import socket
import urllib.error
import urllib.request
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tfserving_api.messages import (
    GetModelMetadataRequest,
    GetModelStatusRequest,
    PredictRequest,
    PredictResponse,
    SignatureDefMap,
    TensorProto,
)

X = {"x": np.array([2.0], np.float32)}
HEADERS, LONG = ("Connection", "Content-Type"), "9" * 5000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str, method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(url, method=method)  # noqa: S310 always http to this machine
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 as above
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_metadata_has_every_signature_and_the_version(zoo: Any) -> None:
    response = zoo.metadata({"name": "images", "version_label": "stable"})
    assert response.model_spec.name == "images"
    assert response.model_spec.version.value == 3
    assert not response.model_spec.signature_name
    signatures = SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert sorted(signatures.signature_def) == ["__saved_model_init_op", "explain", "serving_default"]
    images = signatures.signature_def["serving_default"].inputs["images"]
    assert [dim.size for dim in images.tensor_shape.dim] == [-1, 8, 8, 1]


@pytest.mark.parametrize(
    ("method", "request_message", "code", "text"),
    [
        ("GetModelMetadata", GetModelMetadataRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (
            "GetModelMetadata", GetModelMetadataRequest(model_spec={"name": "nope"}), "INVALID_ARGUMENT",
            "GetModelMetadataRequest must specify at least one metadata_field",
        ),
        (
            "GetModelMetadata", GetModelMetadataRequest(model_spec={"name": "nope"}, metadata_field=["x"]),
            "INVALID_ARGUMENT", "Metadata field x is not supported",
        ),
        (
            "GetModelMetadata", GetModelMetadataRequest(model_spec={"name": "nope"}, metadata_field=["signature_def"]),
            "NOT_FOUND", "Servable not found for request: Latest(nope)",
        ),
        ("GetModelStatus", GetModelStatusRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (
            "GetModelStatus", GetModelStatusRequest(model_spec={"name": "nope"}), "NOT_FOUND",
            "Could not find any versions of model nope",
        ),
        (
            "GetModelStatus", GetModelStatusRequest(model_spec={"name": "images", "version": {"value": 9}}),
            "NOT_FOUND", "Could not find version 9 of model images",
        ),
    ],
)  # fmt: skip
def test_metadata_and_status_errors(zoo: Any, method: str, request_message: Any, code: str, text: str) -> None:
    with pytest.raises(grpc.RpcError) as error:
        zoo.call(method, request_message)
    assert (error.value.code().name, error.value.details()) == (code, text)


def test_status_of_one_version_and_a_label_is_ignored(zoo: Any) -> None:
    for spec in ({"name": "images", "version": {"value": 3}}, {"name": "images", "version_label": "nope"}):
        (status,) = zoo.call("GetModelStatus", GetModelStatusRequest(model_spec=spec)).model_version_status
        assert (status.version, status.state, status.status.error_code) == (3, 30, 0)


@pytest.fixture(scope="module")
def http(saved_models: Path, tmp_path_factory: pytest.TempPathFactory, serve: Any) -> tuple[Any, str, Path]:
    """A server of model "default" with everything turned on: client, HTTP address, UNIX socket."""
    root = tmp_path_factory.mktemp("http")
    shutil.copytree(saved_models / "half_plus_two", root / "m" / "123")
    (root / "monitoring.config").write_text('prometheus_config { enable: true path: "/metrics" }')
    port = free_port()
    server = serve(
        root,
        f"--model_base_path={root / 'm'}",
        f"--rest_api_port={port}",
        f"--monitoring_config_file={root / 'monitoring.config'}",
        "--rest_api_timeout_in_ms=5000",
        f"--grpc_socket_path={root / 'grpc.sock'}",
    )
    return server.ready(), f"http://127.0.0.1:{port}", root / "grpc.sock"


def test_the_rest_port_answers_status_and_metadata(http: tuple[Any, str, Path]) -> None:
    _, url, _ = http
    status = {
        "model_version_status": [
            {"version": "123", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ]
    }
    paths = ("default", "%64efault", "default/versions/123", f"default/versions/{'0' * 5000}123", "default/labels/any")
    for path in paths:
        assert get(f"{url}/v1/models/{path}") == (200, json.dumps(status, indent=1))
    assert get(f"{url}/V1/Models/default")[0] == 200
    code, body = get(f"{url}/v1/models/default/metadata")
    metadata = json.loads(body)
    assert (code, body) == (200, json.dumps(metadata, indent=1))
    assert metadata["model_spec"] == {"name": "default", "version": "123", "signature_name": ""}
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    assert signatures["serving_default"]["inputs"]["x"]["dtype"] == "DT_FLOAT"


@pytest.mark.parametrize(
    ("method", "path", "code", "error"),
    [
        ("GET", "/v1/models/nope", 404, "Could not find any versions of model nope"),
        ("GET", f"/v1/models/default/versions/{LONG}", 400, f"Failed to convert version: {LONG} to numeric."),
        ("GET", "/v1/models/default/versions/00", 404, "Could not find version 0 of model default"),
        (
            "GET",
            f"/v1/models/default/versions/{2**63 - 1}",
            404,
            f"Could not find version {2**63 - 1} of model default",
        ),
        ("GET", f"/v1/models/default/versions/{2**63}", 400, f"Failed to convert version: {2**63} to numeric."),
        (
            "GET",
            "/v1/models/default/labels/be%20ta%2F1/metadata",
            400,
            "Unrecognized servable version label: be ta/1",
        ),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/models/default/what", 400, "Malformed request: GET /v1/models/default/what"),
        ("GET", "/v1/models/default:predict", 400, "Malformed request: GET /v1/models/default:predict"),
        ("POST", "/v1/models/default", 400, "Malformed request: POST /v1/models/default"),
        ("DELETE", "/v1/models/default", 400, "Malformed request: DELETE /v1/models/default"),
        ("POST", "/v1/models/default:predict", 501, "Predictions over REST are left to TensorFlow Serving; use gRPC"),
        (
            "POST",
            "/v1/models/no/labels/a:regress",
            501,
            "Predictions over REST are left to TensorFlow Serving; use gRPC",
        ),
        (
            "POST",
            f"/v1/models/default/versions/{2**64 - 1}:regress",
            400,
            f"Failed to convert version: {2**64 - 1} to numeric.",
        ),
        ("POST", "/v1/models/default/metadata", 400, "Malformed request: POST /v1/models/default/metadata"),
    ],
)
def test_rest_errors(http: tuple[Any, str, Path], method: str, path: str, code: int, error: str) -> None:
    _, url, _ = http
    status, body = get(url + path, method)
    assert (status, json.loads(body)) == (code, {"error": error})


def test_a_request_whose_body_has_no_length_is_the_last_of_its_connection(http: tuple[Any, str, Path]) -> None:
    _, url, _ = http
    with closing(HTTPConnection(url.removeprefix("http://"), timeout=10)) as connection:
        for _ in range(2):
            connection.request("POST", "/v1/models/default:predict", iter([b"{}"]))  # in chunks
            response = connection.getresponse()
            assert [response.status, *map(response.getheader, HEADERS)] == [501, "close", "application/json"]
            response.read()


def test_a_request_that_claims_a_body_without_end_is_answered(http: tuple[Any, str, Path]) -> None:
    _, url, _ = http
    with closing(HTTPConnection(url.removeprefix("http://"), timeout=10)) as connection:
        connection.request("GET", "/v1/models/default", headers={"Content-Length": LONG})
        connection.sock.shutdown(socket.SHUT_WR)
        response = connection.getresponse()
        assert [response.status, *map(response.getheader, HEADERS)] == [200, "close", "application/json"]


def test_metrics_have_the_names_of_the_original(http: tuple[Any, str, Path]) -> None:
    client, url, _ = http
    client.predict({"name": "default"}, X)
    for spec in ({"name": "default", "signature_name": "nope"}, {"name": "made-up"}):
        with pytest.raises(grpc.RpcError):
            client.predict(spec, X)
    code, page = get(f"{url}/metrics")
    assert code == 200
    assert "# TYPE :tensorflow:serving:request_count counter\n" in page
    assert ':tensorflow:serving:request_count{model_name="default",status="OK"} 1\n' in page
    assert ':tensorflow:serving:request_count{model_name="default",status="FAILED_PRECONDITION"} 1\n' in page
    assert "made-up" not in page
    labels = 'model_name="default",API="Predict",entrypoint="GRPC"'
    assert f':tensorflow:serving:request_latency_bucket{{{labels},le="18"}}' in page
    assert f':tensorflow:serving:request_latency_bucket{{{labels},le="+Inf"}} 1\n' in page
    assert f":tensorflow:serving:request_latency_count{{{labels}}} 1\n" in page
    assert ':tensorflow:cc:saved_model:load_attempt_count{model_path="' in page
    assert get(f"{url}/monitoring/prometheus/metrics")[0] == 404


def test_the_unix_socket_serves_the_same(http: tuple[Any, str, Path]) -> None:
    request = PredictRequest(model_spec={"name": "default"})
    request.inputs["x"].CopyFrom(TensorProto(dtype=1, float_val=[2.0], tensor_shape={"dim": [{"size": 1}]}))
    with grpc.insecure_channel(f"unix:{http[2]}") as channel:
        method = "/tensorflow.serving.PredictionService/Predict"
        call = channel.unary_unary(method, PredictRequest.SerializeToString, PredictResponse.FromString)
        assert call(request, timeout=30).outputs["y"].float_val == [3.0]


def has_ipv6() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("address", ["::1", "[::1]"])
def test_grpc_and_http_listen_on_an_ipv6_address(launch: Any, publish: Any, base_path: Path, address: str) -> None:
    publish("half_plus_two", "1")
    port = free_port()
    server = launch(f"--model_base_path={base_path}", f"--bind_address={address}", f"--rest_api_port={port}")
    assert server.process.stdout.readline().startswith("Running gRPC ModelServer at [::1]:")
    assert get(f"http://[::1]:{port}/v1/models/default")[0] == 200


def test_health_follows_the_models(launch: Any, publish: Any, base_path: Path, eventually: Any) -> None:
    publish("half_plus_two", "123")
    client = launch(f"--model_base_path={base_path}", "--enable_grpc_healthcheck_service").ready()
    health = health_pb2_grpc.HealthStub(client.channel)

    def statuses() -> set[int]:
        names = ("", "ModelService", "PredictionService", "tensorflow.serving.PredictionService")
        return {health.Check(health_pb2.HealthCheckRequest(service=name), timeout=30).status for name in names}

    eventually(lambda: statuses() == {health_pb2.HealthCheckResponse.SERVING})
    (base_path / "123").rename(base_path / "gone")
    eventually(lambda: statuses() == {health_pb2.HealthCheckResponse.NOT_SERVING})
    (base_path / "gone").rename(base_path / "124")
    eventually(lambda: statuses() == {health_pb2.HealthCheckResponse.SERVING})


def test_reflection_describes_the_services(zoo: Any) -> None:
    database = ProtoReflectionDescriptorDatabase(zoo.channel)
    assert set(database.get_services()) >= {
        "tensorflow.serving.ModelService",
        "tensorflow.serving.PredictionService",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert "Predict" in str(database.FindFileContainingSymbol("tensorflow.serving.PredictionService"))


def test_without_the_flag_there_is_no_health_service(zoo: Any) -> None:
    with pytest.raises(grpc.RpcError) as error:
        health_pb2_grpc.HealthStub(zoo.channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_two_servers_do_not_share_a_port(launch: Any, publish: Any, base_path: Path) -> None:
    publish("half_plus_two", "1")
    port = free_port()
    launch(f"--model_base_path={base_path}", f"--port={port}").ready()
    second = launch(f"--model_base_path={base_path}", f"--port={port}")
    assert f"Failed to listen on 127.0.0.1:{port}" in second.process.stdout.read()
    assert second.process.wait(30) == 255
