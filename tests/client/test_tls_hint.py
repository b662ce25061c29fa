"""A service that is not reached because of TLS: the command says where to look."""

from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest

IS_TLS = "; is it TLS? see --tls, --ca and --cert\n"
IS_PLAIN = "; is it plain text? leave out --tls, --ca, --cert and --key, and their variables\n"
CERTIFICATES = "; do the certificates fit? see --ca and --cert\n"


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


@pytest.mark.parametrize(
    ("tls", "hint"), [([], IS_TLS), (["--tls"], CERTIFICATES)], ids=["plain text", "another authority"]
)
def test_where_the_service_has_tls(braintumor, secure_address, tls, hint):
    done = braintumor("info", "--address", secure_address, *tls)
    assert done.stderr.endswith(hint)
    assert done.returncode == 3


def test_where_the_last_error_is_that_of_another_address_of_this_machine(braintumor):
    done = braintumor("info", "--address", "[::1]:1")
    assert done.stderr.endswith(IS_TLS)
    assert braintumor("info", "--address", "[::1]:1", "--tls").stderr.endswith("(UNAVAILABLE)\n")


@pytest.mark.parametrize("is_known", [True, False], ids=["with its authority", "with --tls alone"])
def test_where_the_service_has_plain_text(braintumor, known, is_known):
    done = braintumor("info", *(["--ca", known.certificate] if is_known else ["--tls"]))
    assert done.stderr.endswith(IS_PLAIN)
    assert done.returncode == 3


def test_not_where_nothing_listens(braintumor):
    assert braintumor("info", "--address", "127.0.0.1:1").stderr.endswith("(UNAVAILABLE)\n")


def test_where_the_key_is_that_of_another_certificate(braintumor, secure_address, known):
    own, other = known.issue("ward-7"), known.issue("ward-8")
    files = ["--ca", known.certificate, "--cert", own.certificate, "--key", other.key]
    assert braintumor("info", "--address", secure_address, *files).stderr.endswith(CERTIFICATES)


def test_where_the_certificate_is_of_another_name(braintumor, secure_address, known):
    address = f"0.0.0.0:{secure_address.rpartition(':')[2]}"
    assert braintumor("info", "--address", address, "--ca", known.certificate).stderr.endswith(CERTIFICATES)


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
