"""A gateway that asks its callers who they are, over TLS of its own making."""

import asyncio
import time

import grpc
import jwt
import pytest
from braintumor.tls import channel_credentials
from braintumor.v1 import classifier_service_pb2 as pb2
from braintumor.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.longrunning import operations_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from gateway.auth.api_keys import new_key
from gateway.auth.rights import METHODS, Access, Right, access_to
from gateway.server import FORWARDED
from gateway.settings import JwtSettings
from transport.calls import UNKNOWN_METHOD
from transport.exposure import refusal
from transport.server_tls import ServerTls


def _public(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


async def _info(address, ca, identity=None):
    own = (identity.certificate, identity.key) if identity else ()
    credentials = channel_credentials(ca.certificate, *own)
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
    assert served | {UNKNOWN_METHOD} == METHODS.keys()
    assert operations_pb2.DESCRIPTOR.services_by_name["Operations"] in FORWARDED


def test_what_changes_answers_or_deletes_is_for_admins_and_only_health_for_everybody():
    def asking_for(access):
        return {method.rpartition("/")[2] for method, asked in METHODS.items() if asked is access}

    assert asking_for(Right.ADMIN) == {"DeleteOperation", "PromoteModelVersion", "RollbackModel", "SetCanary"}
    assert asking_for(Access.OPEN) == {"Check", "Watch"}


def test_a_method_that_nobody_thought_of_asks_for_the_most():
    assert access_to("/braintumor.v1.ModelService/New") is Right.ADMIN


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
    tmp_path, authority, start_serving, start_gateway
):
    ca, other = authority(tmp_path, "authority"), authority(tmp_path, "other")
    server = ca.issue("server")
    tls = ServerTls(certificate=server.certificate, key=server.key, client_ca=ca.certificate)
    mine = ca.issue("ward 7")
    async with start_serving() as serving, start_gateway(serving, ready=False, tls=tls) as gateway:
        await _info(gateway.address, ca, mine)
        for stranger in (None, other.issue("x"), ca.issue("late", days=-1)):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _info(gateway.address, ca, stranger)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.aio.AioRpcError):
            await _info(gateway.address, other, mine)
        other.issue("server")
        await _info(gateway.address, other, mine)


def _refusals(caplog):
    records = [record for record in caplog.records if record.message == "caller refused"]
    return [(record.reason, record.problem, record.caller) for record in records]


async def test_api_keys_and_their_rights(tmp_path, caplog, start_serving, start_gateway, failure_of):
    caplog.set_level("INFO")
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
        assert _refusals(caplog) == [
            ("CREDENTIALS_MISSING", None, "127.0.0.1"),
            ("TOKEN_INVALID", None, "127.0.0.1"),
            ("RIGHT_MISSING", None, "lab"),
        ]
        await asyncio.gather(*(failure_of(call(f"Bearer {key}x")) for _ in range(100)))
        assert len(_refusals(caplog)) < 100


async def test_which_methods_there_are_is_for_every_known_caller(tmp_path, start_serving, start_gateway, failure_of):
    key, line = new_key("ward-7", [Right.PREDICT])
    (tmp_path / "keys").write_text(line)
    async with start_serving() as serving, start_gateway(serving, api_keys=tmp_path / "keys") as gateway:
        call = gateway.channel.unary_unary("/no.Service/Method")
        known = await failure_of(call(b"", metadata=[("authorization", f"Bearer {key}")]))
        assert (known.reason, (await failure_of(call(b""))).reason) == ("METHOD_UNKNOWN", "CREDENTIALS_MISSING")


async def test_a_key_that_is_struck_out_ends_an_open_stream(tmp_path, start_serving, start_gateway, png):
    key, line = new_key("ward-7", [Right.PREDICT])
    (tmp_path / "keys").write_text(f"{line}\n")
    async with start_serving() as serving, start_gateway(serving, api_keys=tmp_path / "keys") as gateway:
        metadata = [("authorization", f"Bearer {key}")]
        item = pb2.PredictStreamRequest(request=pb2.PredictRequest(image=png(1)))
        stream = gateway.classifier.PredictStream(metadata=metadata)
        await stream.write(item)
        assert (await stream.read()).HasField("response")

        async def is_known():
            try:
                await gateway.classifier.GetServiceInfo(pb2.GetServiceInfoRequest(), metadata=metadata)
            except grpc.aio.AioRpcError:
                return False
            return True

        (tmp_path / "keys").write_text("")
        async with asyncio.timeout(20):
            while await is_known():  # noqa: ASYNC110  the file is looked at now and then
                await asyncio.sleep(0.05)
        await stream.write(item)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_signed_tokens(tmp_path, caplog, start_serving, start_gateway, failure_of):
    caplog.set_level("INFO")
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
            (jwt.encode(good | {"exp": 10**400}, key, "ES256"), "TOKEN_INVALID"),
            (jwt.encode(good | {"scope": "train"}, key, "ES256"), "RIGHT_MISSING"),
        ):
            assert (await failure_of(call(bad))).reason == reason
        assert _refusals(caplog)[:2] == [
            ("TOKEN_EXPIRED", "ExpiredSignatureError", "127.0.0.1"),
            ("TOKEN_INVALID", "InvalidAudienceError", "127.0.0.1"),
        ]
