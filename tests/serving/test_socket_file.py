"""The UNIX socket, and who comes after whom."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def start(launch: Any, publish: Any, tmp_path: Path) -> Any:
    """Starts a server of a model on a socket."""
    for model in ("half_plus_two", "half_plus_three"):
        publish(model, "1", tmp_path / model)
    return lambda model, path: launch(f"--model_base_path={tmp_path / model}", f"--grpc_socket_path={path}")


def test_a_server_that_ends_leaves_the_socket_to_its_successor(start: Any, tmp_path: Path, client_of: Any) -> None:
    path = tmp_path / "grpc.sock"
    first = start("half_plus_two", path)
    first.ready()
    assert client_of(f"unix:{path}").half({"name": "default"}) == 3.0
    second = start("half_plus_three", path)
    second.ready()
    assert client_of(f"unix:{path}").half({"name": "default"}) == 4.0
    assert first.stop() == 0
    assert client_of(f"unix:{path}").half({"name": "default"}) == 4.0
    assert second.stop() == 0
    assert [entry for entry in tmp_path.iterdir() if entry.is_socket()] == []


def test_a_socket_that_nobody_listens_on_any_more_is_replaced(start: Any, tmp_path: Path, client_of: Any) -> None:
    path = tmp_path / "grpc.sock"
    killed = start("half_plus_two", path)
    killed.ready()
    killed.process.kill()
    killed.process.wait()
    assert path.is_socket()
    start("half_plus_three", path).ready()
    assert client_of(f"unix:{path}").half({"name": "default"}) == 4.0


@pytest.mark.parametrize("place", ["file", "directory", "nowhere/grpc.sock"])
def test_what_is_no_socket_is_never_replaced_and_ends_the_start(start: Any, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "directory").mkdir()
    server = start("half_plus_two", tmp_path / place)
    told = f"Failed to start server. Error: UNAVAILABLE: Failed to listen on unix:{tmp_path / place}\n"
    assert server.process.stdout.read() == told
    assert server.process.wait(30) == 255
    assert (tmp_path / "file").read_text() == "precious"
    assert [entry for entry in tmp_path.iterdir() if entry.is_socket()] == []
