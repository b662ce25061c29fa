"""How clients reach the service: address, retries, sizes."""

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from braintumor.loopback import is_loopback

DEFAULT_ADDRESS = "127.0.0.1:50051"
"""Where the gateway listens by default."""

Token: TypeAlias = str | Callable[[], str]
"""An API key or JWT, or what returns the one that is good now."""

DEFAULT_TIMEOUT_S = 10.0
"""Deadline of a call, retries included."""

_RETRIED_MESSAGE_BYTES = 16 * 2**20 + 64 * 2**10
"""A request with the largest image that the service takes. What is larger is sent once."""

_PAUSES = {"maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 2}

# Only calls that may run twice: none that moves a label or deletes. Retrain may, as the client gives each a request id.
# And no streams: where gRPC's core sends the messages of a stream again, it was seen to lose some (grpcio 1.85.1: of
# streams of 5, one in ten on busy cores).
# CANCELLED is what a server of gRPC that stops makes of calls that have arrived and are not begun yet.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [
                {"service": "braintumor.v1.ClassifierService", "method": "GetServiceInfo"},
                {"service": "braintumor.v1.ClassifierService", "method": "Predict"},
            ],
            "retryPolicy": {**_PAUSES, "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED"]},
        },
        {
            "name": [
                {"service": "braintumor.v1.TrainerService", "method": "Retrain"},
                {"service": "braintumor.v1.TrainerService", "method": "Evaluate"},
                {"service": "braintumor.v1.ModelService", "method": "ListModelVersions"},
                {"service": "braintumor.v1.ModelService", "method": "GetModelVersion"},
                {"service": "braintumor.v1.ModelService", "method": "GetModelReport"},
                {"service": "google.longrunning.Operations", "method": "ListOperations"},
                {"service": "google.longrunning.Operations", "method": "GetOperation"},
                {"service": "google.longrunning.Operations", "method": "CancelOperation"},
            ],
            # A full queue or disk is none the emptier two seconds later.
            "retryPolicy": {**_PAUSES, "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"]},
        },
    ],
    # A client whose calls keep failing stops adding to the load of a service in trouble.
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.5},
    # A name with several addresses is several gateways.
    "loadBalancingConfig": [{"round_robin": {}}],
}

# gRPC would leave up to two minutes between tries to connect, for all clients of a process together, and look a name up
# anew after half a minute. A call's own tries go on for 1.5 s: whoever calls a service that is back finds it.
_RECONNECTION = (
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 800),
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
)

# Else calls that go to a gateway which hangs end at their deadline for as long as it does, and for a quarter of an hour
# where its machine has vanished. The service takes a ping each 5 s. `grpc.keepalive_timeout_ms` would not do: below the
# ping's timeout, a minute by default, gRPC starts no timer for it (grpcio 1.74 to 1.85).
_KEEPALIVE = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.ping_timeout_ms", 10_000),
)

_LONGEST_TIMEOUT_S = 1e8
"""Three years: gRPC's clock overflows beyond, and the call would end at once."""

_METADATA_KEY = re.compile(r"[0-9a-z_.-]+")
_METADATA_TEXT = re.compile(r"[ -~]*")
_NEVER_IN_A_TOKEN = re.compile(r"[^!-~]")


def call_metadata(
    address: str, secure: bool, metadata: Sequence[tuple[str, str]], token: str | None
) -> tuple[tuple[str, str], ...]:
    """Returns what is sent with each call.

    Raises:
      ValueError: the token has characters that no token has, or would go over the network in plain text; or gRPC
        does not send such metadata.
    """
    for key, value in metadata:
        if not _METADATA_KEY.fullmatch(key):
            raise ValueError(f"metadata has lower-case keys of letters, digits, '_', '.' and '-', and not {key!r}")
        if not key.endswith("-bin") and not _METADATA_TEXT.fullmatch(value):
            raise ValueError(f"metadata has printable ASCII, and the value of {key} has more; encode it, say as base64")
    if token and (found := _NEVER_IN_A_TOKEN.search(token)):
        where = f"{found.group()!r} at position {found.start() + 1}"
        raise ValueError(f"a token has only visible ASCII characters, and this one has {where}; copy it whole")
    sent = (*metadata, *((("authorization", f"Bearer {token}"),) if token else ()))
    if "authorization" in dict(sent) and not secure and not is_loopback(address):
        raise ValueError(f"a token is not sent to {address} in plain text; use TLS")
    return sent


def metadata_source(
    address: str, secure: bool, metadata: Sequence[tuple[str, str]], token: Token | None
) -> Callable[[], tuple[tuple[str, str], ...]]:
    """Returns what tells the metadata of the next call; raises ValueError, as that does, where it cannot be sent."""
    sent = call_metadata(address, secure, metadata, token() if callable(token) else token)
    if callable(token):
        return lambda: call_metadata(address, secure, metadata, token())
    return lambda: sent


def deadline_s(timeout_s: float | None, default_s: float) -> float:
    """Returns the deadline of a call, which may be infinite for its caller; raises ValueError where it is no number."""
    chosen = default_s if timeout_s is None else timeout_s
    if math.isnan(chosen):
        raise ValueError("a deadline is a number of seconds")
    return min(chosen, _LONGEST_TIMEOUT_S)


def channel_options(address: str) -> list[tuple[str, Any]]:
    """Options of a channel to the service.

    Sizes are not limited here: the service limits images and says so with a reason, and an explained answer
    may be larger than its image. A proxy that the environment names is used, except to this machine.
    """
    return [
        ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
        ("grpc.per_rpc_retry_buffer_size", _RETRIED_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.enable_http_proxy", int(not is_loopback(address))),
        *_RECONNECTION,
        *_KEEPALIVE,
    ]
