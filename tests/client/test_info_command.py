"""`braintumor info` and `braintumor wait` as processes: what they print where, and how they exit."""

import json
import os
from pathlib import Path

import grpc
import pytest


def test_tells_what_the_service_is(braintumor):
    done = braintumor("info")
    assert "Welcome to the scripted service." in done.stdout
    assert "7 stable (128 x 96 x 1)" in done.stdout
    assert "16 MiB, 40,000,000 pixels" in done.stdout
    assert (done.stderr, done.returncode) == ("", 0)


def test_tells_what_the_service_is_as_json(braintumor):
    """As all JSON of the command: the contract's names, and numbers that are numbers."""
    record = json.loads(braintumor("info", "--json").stdout)
    assert record["served_versions"][0]["version"] == 7
    assert record["limits"] == {"max_image_bytes": 16777216, "max_image_pixels": 40000000}
    assert record["image_formats"] == ["JPEG", "PNG"]


@pytest.mark.parametrize("failure", [grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE])
def test_waits_for_a_service_that_is_not_ready(service, braintumor, failure):
    service.failures.extend([failure] * 3)
    done = braintumor("wait", "--timeout", "30")
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.startswith(f"ready at {service.address}, version 7 of brain_tumor; ")


@pytest.mark.parametrize("on_path", [True, False])
def test_greets_with_the_command_as_it_is_called_and_the_address(executable, environment, service, braintumor, on_path):
    environment["PATH"] = str(Path(executable).parent) if on_path else os.defpath
    greeting = braintumor("wait").stdout
    assert f"    {'braintumor' if on_path else executable} predict slice.png --address {service.address}\n" in greeting


def test_calls_this_machine_without_a_proxy(environment, braintumor):
    environment["http_proxy"] = environment["https_proxy"] = environment["grpc_proxy"] = "http://127.0.0.1:1"
    assert braintumor("info").returncode == 0


def test_does_not_wait_for_a_service_that_refuses(service, braintumor):
    service.failures.append(grpc.StatusCode.PERMISSION_DENIED)
    done = braintumor("wait", "--timeout", "30")
    assert (done.stdout, done.returncode) == ("", 1)
    assert "scripted failure" in done.stderr


@pytest.mark.parametrize(("address", "told"), [("127.0.0.1:99999", "a port beyond 65535"), ("", "is empty")])
def test_calls_no_other_port_than_the_one_that_was_given(braintumor, address, told):
    """Of a port beyond the last gRPC takes the lower bits."""
    done = braintumor("info", "--address", address)
    assert told in done.stderr
    assert (done.stdout, done.returncode) == ("", 2)
