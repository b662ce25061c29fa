"""The port of HTTP, and connections to it that bring nothing."""

import resource
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from serving.modelserver import rest
from serving.modelserver.metrics import Metrics
from serving.modelserver.server_core import ServerCore
from transport import http_server

_PATIENCE_S = 30
_STANDARD = 3
"""Descriptors that every process has: input, output and errors."""


@contextmanager
def _port() -> Iterator[tuple[str, int]]:
    no_models = cast(ServerCore, None)
    server = rest.start_http_server(rest.RestApi(no_models, Metrics(), "/metrics"), "127.0.0.1", 0)
    try:
        yield "127.0.0.1", server.server_port
    finally:
        server.shutdown()
        server.server_close()


def test_where_no_descriptor_is_left_a_request_waits_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks for one again and again without a pause."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free_some = SimpleNamespace(sleep=lambda _: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
    monkeypatch.setattr(http_server, "time", free_some)
    with _port() as port, socket.socket() as caller:
        caller.settimeout(_PATIENCE_S)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (_STANDARD, hard))
            caller.connect(port)
            caller.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert caller.recv(12) == b"HTTP/1.1 200"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("begun", [b"", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"])
def test_a_connection_on_which_nothing_comes_ends(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(rest._Handler, "timeout", 0.01)
    with _port() as port, socket.create_connection(port, timeout=_PATIENCE_S) as silent:
        silent.sendall(begun)
        assert silent.recv(1) == b""


def test_a_connection_that_is_given_up_leaves_no_line_in_the_log(
    capfd: pytest.CaptureFixture[str], eventually: Callable[[Callable[[], Any]], Any]
) -> None:
    with _port() as port:
        threads = threading.active_count()
        with socket.create_connection(port) as leaving:
            eventually(lambda: threading.active_count() > threads)
            leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it ends by a reset
        eventually(lambda: threading.active_count() == threads)
    assert capfd.readouterr().err == ""
