"""A service that is not reached because of TLS: the command says where to look."""

from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest

HINT = "; is it TLS? see --ca and --cert\n"


@pytest.fixture
def known(authority, tmp_path):
    return authority(tmp_path, "known")


@pytest.fixture
def secure_address(known) -> Iterator[str]:
    """Of a server whose certificate is of the known authority."""
    own = known.issue("service")
    pair = (own.key.read_bytes(), own.certificate.read_bytes())
    with futures.ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads, options=[("grpc.so_reuseport", 0)])
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(None).wait()


@pytest.mark.parametrize("tls", [[], ["--tls"]], ids=["plain text", "another authority"])
def test_where_the_service_has_tls(braintumor, secure_address, tls):
    done = braintumor("info", "--address", secure_address, *tls)
    assert done.stderr.endswith(HINT)
    assert done.returncode == 3


def test_where_the_last_error_is_that_of_another_address_of_this_machine(braintumor):
    done = braintumor("info", "--address", "[::1]:1")
    assert done.stderr.endswith(HINT)
    assert not braintumor("info", "--address", "[::1]:1", "--tls").stderr.endswith(HINT)


def test_where_the_service_has_plain_text(braintumor, known):
    done = braintumor("info", "--ca", known.certificate)
    assert done.stderr.endswith(HINT)
    assert done.returncode == 3


def test_not_where_nothing_listens(braintumor):
    assert not braintumor("info", "--address", "127.0.0.1:1").stderr.endswith(HINT)


def test_where_the_key_is_that_of_another_certificate(braintumor, secure_address, known):
    own, other = known.issue("ward-7"), known.issue("ward-8")
    files = ["--ca", known.certificate, "--cert", own.certificate, "--key", other.key]
    assert braintumor("info", "--address", secure_address, *files).stderr.endswith(HINT)


def test_where_the_certificate_is_of_another_name(braintumor, secure_address, known):
    address = f"0.0.0.0:{secure_address.rpartition(':')[2]}"
    assert braintumor("info", "--address", address, "--ca", known.certificate).stderr.endswith(HINT)


@pytest.mark.parametrize(
    ("option", "kind"), [("--ca", "certificate"), ("--cert", "certificate"), ("--key", "private key")]
)
def test_a_file_that_holds_no_such_thing_is_wrong_usage(braintumor, known, option, kind):
    own = known.issue("ward-7")
    files = {"--ca": known.certificate, "--cert": own.certificate, "--key": own.key}
    files[option] = own.key if kind == "certificate" else own.certificate
    done = braintumor("info", *(word for named in files.items() for word in named))
    assert done.stderr.endswith(f"Error: {files[option]} holds no {kind} in PEM\n")
    assert done.returncode == 2
