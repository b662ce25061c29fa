"""The page of metrics, and connections to it that bring nothing."""

import resource
import socket
import struct
import threading
import urllib.request
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter

from observability import exposition
from transport import http_server

_PATIENCE_S = 30
_STANDARD = 3
"""Descriptors that every process has: input, output and errors."""


@pytest.fixture
def page(caplog: pytest.LogCaptureFixture) -> Iterator[tuple[str, int]]:
    """Host and port of a page with one metric."""
    caplog.set_level("INFO")
    registry = CollectorRegistry()
    Counter("slices", "Slices.", registry=registry)
    with exposition.exposed(registry, "127.0.0.1:0"):
        (address,) = [record.metrics_address for record in caplog.records if hasattr(record, "metrics_address")]
        host, _, port = address.rpartition(":")
        yield host, int(port)


def test_it_has_the_metrics(page: tuple[str, int]) -> None:
    with urllib.request.urlopen(f"http://{page[0]}:{page[1]}/metrics") as answer:
        assert b"slices_total 0.0" in answer.read()


def test_where_no_descriptor_is_left_a_scrape_waits_for_one(
    page: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks for one again and again without a pause."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free_some = SimpleNamespace(sleep=lambda _: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
    monkeypatch.setattr(http_server, "time", free_some)
    with socket.socket() as scrape:
        scrape.settimeout(_PATIENCE_S)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (_STANDARD, hard))
            scrape.connect(page)
            scrape.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert scrape.recv(12) == b"HTTP/1.0 200"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_connection_on_which_nothing_comes_ends(page: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition._Handler, "timeout", 0.01)
    with socket.create_connection(page, timeout=_PATIENCE_S) as silent:
        assert silent.recv(1) == b""


def test_a_connection_that_is_given_up_leaves_no_line_in_the_log(
    page: tuple[str, int], capfd: pytest.CaptureFixture[str], eventually: Callable[[Callable[[], Any]], Any]
) -> None:
    threads = threading.active_count()
    with socket.create_connection(page) as leaving:
        eventually(lambda: threading.active_count() > threads)
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it ends by a reset
    eventually(lambda: threading.active_count() == threads)
    assert capfd.readouterr().err == ""
