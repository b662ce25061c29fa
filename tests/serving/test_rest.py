"""The port of HTTP, and connections to it that bring nothing."""

import resource
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
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


def test_only_get_has_the_page_of_metrics_and_what_is_not_there_says_so() -> None:
    api = rest.RestApi(cast(ServerCore, None), Metrics(), "/metrics")
    not_found = (404, "text/plain", "Not found\n")
    assert api.answer("GET", "/metrics")[:2] == (200, "text/plain")
    assert [api.answer("POST", "/metrics"), api.answer("GET", "/")] == [not_found] * 2


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("POST", "/", {}, b"{}"),
        ("POST", "/", {}, bytes(rest._MAX_BODY_BYTES)),
        ("POST", "/", {"Content-Length": "0" * 30 + "2"}, b"{}"),
        ("HEAD", "/", {}, b""),
        ("GET", "/metrics?all=true", {"Content-Length": ""}, b""),
    ],
)
def test_a_connection_is_good_for_another_request(method: str, path: str, headers: Any, body: bytes) -> None:
    with _port() as port, closing(HTTPConnection(*port, timeout=_PATIENCE_S)) as connection:
        connection.request(method, path, body, headers)
        first = connection.getresponse()
        text = first.read()
        socket_of_first = connection.sock
        connection.request("GET", "/metrics")
        second = connection.getresponse()
        assert first.status == (200 if method == "GET" else 404)
        assert (method == "HEAD") == (text == b"")
        assert (second.status, second.getheader("Content-Type")) == (200, "text/plain")
        assert connection.sock is socket_of_first


def test_who_sends_more_than_is_read_has_the_answer_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """And at once: the connection ends behind it, while what still comes is taken."""
    monkeypatch.setattr(rest, "_LINGER_S", 2 * _PATIENCE_S)
    length = 8 * rest._MAX_BODY_BYTES
    with _port() as port, socket.create_connection(port, timeout=_PATIENCE_S) as caller, caller.makefile("rb") as file:
        caller.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % length + bytes(length))
        assert file.read().endswith(b"\r\nConnection: close\r\n\r\nNot found\n")


def test_who_sends_without_end_is_listened_to_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "_LINGER_S", 0.5)
    ends_s = time.monotonic() + _PATIENCE_S
    with _port() as port, socket.create_connection(port, timeout=_PATIENCE_S) as caller:
        caller.sendall(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(ConnectionError):
            any(caller.sendall(b" " * 4096) for _ in iter(lambda: time.monotonic() < ends_s, False))
