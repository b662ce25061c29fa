"""A gateway that asks its callers who they are, over TLS of its own making."""

import datetime
import time

import grpc
import jwt
import pytest
from braintumor.v1 import classifier_service_pb2 as pb2
from braintumor.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.longrunning import operations_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from gateway.auth.api_keys import new_key
from gateway.auth.rights import METHODS, Right
from gateway.server import FORWARDED
from gateway.settings import JwtSettings
from transport.exposure import refusal
from transport.server_tls import ServerTls

_PEM = serialization.Encoding.PEM


def _private(key):
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _public(key):
    return key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _issue(name, issuer=None, days=1):
    """A key and a certificate: of an authority where there is no issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, signed_by = issuer or (key, None)
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signed_by.subject if signed_by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=2))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return key, certificate


def _written(folder, name, pair):
    (folder / f"{name}.key").write_bytes(_private(pair[0]))
    (folder / f"{name}.pem").write_bytes(pair[1].public_bytes(_PEM))
    return folder / f"{name}.pem", folder / f"{name}.key"


async def _info(address, ca, pair=None):
    credentials = grpc.ssl_channel_credentials(
        ca[1].public_bytes(_PEM), *((_private(pair[0]), pair[1].public_bytes(_PEM)) if pair else ())
    )
    target = f"localhost:{address.rpartition(':')[2]}"
    async with grpc.aio.secure_channel(target, credentials, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        return await ClassifierServiceStub(channel).GetServiceInfo(pb2.GetServiceInfoRequest(), timeout=5)


def test_every_method_of_every_service_asks_for_something():
    services = [
        *FORWARDED,
        *(file.services_by_name[name] for file, name in ((pb2.DESCRIPTOR, "ClassifierService"),)),
        health_pb2.DESCRIPTOR.services_by_name["Health"],
        reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"],
    ]
    served = {f"/{service.full_name}/{method.name}" for service in services for method in service.methods}
    assert served <= METHODS.keys()
    assert operations_pb2.DESCRIPTOR.services_by_name["Operations"] in FORWARDED


@pytest.mark.parametrize(
    ("address", "tls", "tokens", "insecure", "refused"),
    [
        ("127.0.0.1:1", False, False, False, False),
        ("[::1]:1", False, False, False, False),
        ("0.0.0.0:1", False, False, False, True),
        ("0.0.0.0:1", True, False, False, True),
        ("0.0.0.0:1", False, True, False, True),
        ("0.0.0.0:1", True, True, False, False),
        ("name:1", False, False, True, False),
    ],
)
def test_an_open_port_needs_both_or_a_plain_word(tmp_path, address, tls, tokens, insecure, refused):
    files = ServerTls(certificate=tmp_path, key=tmp_path) if tls else None
    assert bool(refusal("gateway", address, files, tokens, insecure)) is refused


async def test_a_new_certificate_needs_no_restart_and_a_caller_needs_one_of_the_authority(
    tmp_path, start_serving, start_gateway
):
    ca, other = _issue("authority"), _issue("other")
    certificate, key = _written(tmp_path, "server", _issue("server", ca))
    client_ca, _ = _written(tmp_path, "ca", ca)
    tls = ServerTls(certificate=certificate, key=key, client_ca=client_ca)
    mine = _issue("ward 7", ca)
    async with start_serving() as serving, start_gateway(serving, ready=False, tls=tls) as gateway:
        await _info(gateway.address, ca, mine)
        for stranger in (None, _issue("x", other), _issue("late", ca, days=-1)):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _info(gateway.address, ca, stranger)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.aio.AioRpcError):
            await _info(gateway.address, other, mine)
        _written(tmp_path, "server", _issue("server", other))
        await _info(gateway.address, other, mine)


async def test_api_keys_and_their_rights(tmp_path, start_serving, start_gateway, failure_of):
    (key, line), (other, other_line) = new_key("ward-7", [Right.PREDICT]), new_key("lab", [Right.TRAIN])
    (tmp_path / "keys").write_text(f"# ours\n{line}\n{other_line}\n")
    async with start_serving() as serving, start_gateway(serving, api_keys=tmp_path / "keys") as gateway:

        def call(*values):
            metadata = [("authorization", value) for value in values]
            return gateway.classifier.GetServiceInfo(pb2.GetServiceInfoRequest(), metadata=metadata)

        await call(f"Bearer {key}")
        assert (await failure_of(call())).reason == "CREDENTIALS_MISSING"
        assert (await failure_of(call(f"Bearer {key}x"))).reason == "TOKEN_INVALID"
        refused = await failure_of(call(f"Bearer {other}"))
        assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "RIGHT_MISSING")


async def test_signed_tokens(tmp_path, start_serving, start_gateway, failure_of):
    key, stranger = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "keys.pem").write_bytes(_public(key))
    settings = JwtSettings(keys=str(tmp_path / "keys.pem"), issuer="us", audience="slices")
    good = {"iss": "us", "aud": "slices", "sub": "ward-7", "scope": "predict", "exp": time.time() + 600}
    b64 = good | {"exp": int(time.time()) + 600}
    async with start_serving() as serving, start_gateway(serving, jwt=settings) as gateway:

        def call(token):
            metadata = [("authorization", f"Bearer {token}")]
            return gateway.classifier.GetServiceInfo(pb2.GetServiceInfoRequest(), metadata=metadata)

        token = jwt.encode(good, key, "ES256")
        await call(token)
        await call(token)  # from memory
        public = jwt.utils.base64url_encode(_public(key)).decode()
        for bad, reason in (
            (jwt.encode(good | {"exp": time.time() - 600}, key, "ES256"), "TOKEN_EXPIRED"),
            (jwt.encode(good | {"aud": "others"}, key, "ES256"), "TOKEN_INVALID"),
            (jwt.encode(good | {"iss": "others"}, key, "ES256"), "TOKEN_INVALID"),
            (jwt.encode(good, stranger, "ES256"), "TOKEN_INVALID"),
            (jwt.encode(b64, None, "none"), "TOKEN_INVALID"),
            (jwt.encode(b64, public, "HS256"), "TOKEN_INVALID"),
            (jwt.encode(good | {"scope": "train"}, key, "ES256"), "RIGHT_MISSING"),
        ):
            assert (await failure_of(call(bad))).reason == reason
