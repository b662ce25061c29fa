"""HTTP for operations: status and metadata of models as JSON, metrics for Prometheus."""

import json
import logging
import re
import socket
import threading
import time
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from google.protobuf import json_format
from grpc import StatusCode

from serving.modelserver.errors import InvalidArgumentError, ServingError, UnimplementedError
from serving.modelserver.metadata import SIGNATURE_DEF, model_metadata
from serving.modelserver.metrics import Metrics
from serving.modelserver.model_service import model_status
from serving.modelserver.server_core import ServerCore
from tfserving_api.messages import ModelSpec, SignatureDefMap
from transport.http_server import PatientServer, QuietHandler

_log = logging.getLogger(__name__)

_VERSION_OR_LABEL = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PATHS = {
    "GET": re.compile(rf"/v1/models(?:/(?P<name>[^/:]+))?{_VERSION_OR_LABEL}(?P<metadata>/metadata)?", re.IGNORECASE),
    "POST": re.compile(rf"/v1/models/(?P<name>[^/:]+){_VERSION_OR_LABEL}:(classify|regress|predict)", re.IGNORECASE),
}

_INT64_DIGITS = 19
_MAX_BODY_BYTES = 2**20
"""Of a request, none of which means anything; it is read so that the next one is found behind it."""
_LINGER_S = 1.0
_IDLE_S = 60.0
"""Within which something has to come on a connection; else it ends, and its thread."""

_HTTP_STATUS = {
    StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    StatusCode.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
    StatusCode.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    StatusCode.ABORTED: HTTPStatus.CONFLICT,
    StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    StatusCode.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
}


class RestApi:
    """What answers which path. Knows nothing of sockets.

    Args:
      core: knows the models.
      metrics: for Prometheus.
      metrics_path: where they are; None turns them off.
    """

    def __init__(self, core: ServerCore, metrics: Metrics, metrics_path: str | None) -> None:
        self._core = core
        self._metrics = metrics
        self._metrics_path = metrics_path

    def answer(self, method: str, path: str) -> tuple[HTTPStatus, str, str]:
        """Status, content type and body for a request."""
        if method == "GET" and path == self._metrics_path:
            return HTTPStatus.OK, "text/plain", self._metrics.exposition()
        if not path.lower().startswith("/v1/"):
            return HTTPStatus.NOT_FOUND, "text/plain", "Not found\n"
        try:
            return HTTPStatus.OK, "application/json", self._v1(method, path)
        except ServingError as err:
            status = _HTTP_STATUS.get(err.status_code, HTTPStatus.INTERNAL_SERVER_ERROR)
            return status, "application/json", json.dumps({"error": err.message})

    def _v1(self, method: str, path: str) -> str:
        found = _PATHS[method].fullmatch(path) if method in _PATHS else None
        if not found:
            raise InvalidArgumentError(f"Malformed request: {method} {path}")
        if not found["name"]:
            raise InvalidArgumentError("Missing model name in request.")
        spec = ModelSpec(name=unquote(found["name"]))
        if found["version"]:
            spec.version.value = _int64(found["version"])
        elif found["label"]:
            spec.version_label = unquote(found["label"])
        if method == "POST":
            raise UnimplementedError("Predictions over REST are left to TensorFlow Serving; use gRPC")
        if found["metadata"]:
            return self._metadata(spec)
        return json.dumps(_jsonable(model_status(self._core, spec)), indent=1)

    def _metadata(self, spec: Any) -> str:
        with self._core.servable(spec) as servable:
            response = model_metadata(servable, spec.name)
        signatures = SignatureDefMap()
        response.metadata[SIGNATURE_DEF].Unpack(signatures)
        metadata = {"signature_def": _jsonable(signatures)}
        return json.dumps({"model_spec": _jsonable(response.model_spec), "metadata": metadata}, indent=1)


def _int64(digits: str) -> int:
    number = digits.lstrip("0") or "0"
    if len(number) > _INT64_DIGITS or int(number) >= 2**63:
        raise InvalidArgumentError(f"Failed to convert version: {digits} to numeric.")
    return int(number)


def _jsonable(message: Any) -> dict[str, Any]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def start_http_server(api: RestApi, address: str, port: int) -> ThreadingHTTPServer:
    """Serves an api in a thread of its own.

    Raises:
      OSError: the port is taken.
    """
    server = _Server(api, address, port)
    threading.Thread(target=server.serve_forever, name="rest", daemon=True).start()
    return server


class _Server(PatientServer):
    """Of either family of addresses."""

    def __init__(self, api: RestApi, address: str, port: int) -> None:
        self.api = api
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), _Handler)


class _Handler(QuietHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    server: _Server

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "").lstrip("0")
        body_bytes = int(length[:_INT64_DIGITS]) if length.isdecimal() else 0
        self.rfile.read(min(body_bytes, _MAX_BODY_BYTES))
        status, content_type, body = self.server.api.answer(self.command, self.path.partition("?")[0])
        encoded = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(encoded)))
        has_more = "Transfer-Encoding" in self.headers or body_bytes > _MAX_BODY_BYTES
        if has_more:  # of its body, which would be taken for a request
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(encoded)
        if has_more:
            self._linger()

    def _linger(self) -> None:
        """Takes what still comes: a connection that is closed with bytes unread is reset, the answer with it."""
        ends_s = time.monotonic() + _LINGER_S
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(_LINGER_S)
        while time.monotonic() < ends_s and self.rfile.read1(_MAX_BODY_BYTES):
            pass

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = _answer  # noqa: N815 named by http.server
