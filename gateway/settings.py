"""Settings of the gateway, read from the environment."""

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import SettingsConfigDict

from transport.process_settings import ListenAddress, ProcessSettings
from transport.tls_settings import PeerTls, ServerTls


class JwtSettings(BaseModel):
    """Whose tokens are taken."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    keys: str = Field(min_length=1)
    """Where the issuer's public keys are: a file, PEM or JWKS, or the https URL of a JWKS."""

    issuer: str = Field(min_length=1)
    """What a token's `iss` has to be."""

    audience: str = Field(min_length=1)
    """What has to be in a token's `aud`."""


class Settings(ProcessSettings):
    """What can be set from outside; GATEWAY_MAX_BATCH_SIZE sets max_batch_size, GATEWAY_TLS__KEY the key of tls."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    address: ListenAddress = "127.0.0.1:50051"
    """Host and port to listen on; port 0 takes a free one."""

    trainer_address: str = Field(default="127.0.0.1:50052", validation_alias="TRAINER_ADDRESS")
    """Where the trainer listens, as a gRPC target. The variable is TRAINER_ADDRESS, without prefix."""

    tls: ServerTls | None = None
    """Certificate of the port, and authorities of callers; without it the port is plain text. Files are followed."""

    trainer_tls: PeerTls | None = None
    """TLS of the calls to the trainer; without it they are plain text. Its files are followed."""

    api_keys: Path | None = None
    """File of the API keys that are taken, a line each as of `python -m gateway.new_api_key`. It is followed."""

    jwt: JwtSettings | None = None
    """Which signed tokens are taken. With neither API keys nor these, callers are not asked who they are."""

    insecure: bool = False
    """Whether to listen where others can reach it without TLS or without knowing who calls."""

    workers: int = Field(default=1, ge=1, le=64)
    """Processes that share the port."""

    max_image_bytes: int = Field(default=16 * 2**20, ge=1, le=2**29)
    """Size of an encoded image, in bytes."""

    max_image_pixels: int = Field(default=40_000_000, ge=1, le=2**63 - 1)
    """Height times width of a decoded image."""

    max_batch_size: int = Field(default=32, ge=1)
    """Images in one call to serving."""

    max_calls_in_flight: int = Field(default=2, ge=1)
    """Calls of one gateway process to serving at a time, over all its replicas. A replica runs out of
    threads beyond four times its CPUs, over all its callers."""

    max_queued_images: int = Field(default=512, ge=1, le=2**30 - 1)
    """Images of Predict calls in work at a time in one gateway process, from arrival to answer; beyond it calls are
    refused. One caller can have eight ninths of it, two have less each, and so on: others always find some."""

    max_queued_bytes: int = Field(default=256 * 2**20, ge=1)
    """Bytes of the encoded images in work at a time in one gateway process: of Predict calls, which are refused
    beyond it, and as many again of PredictStream calls, which wait. A request that is being received counts once it is
    there."""

    receive_timeout_s: float = Field(default=30.0, gt=0)
    """Longest time for the request of a call to come in, in seconds, the wait behind the same caller's others counted.
    Then the call ends: DEADLINE_EXCEEDED, REQUEST_LATE."""

    stream_window: int = Field(default=64, ge=1)
    """Images of PredictStream calls in work at a time, of one stream and of all of a gateway process; beyond it streams
    wait."""

    max_streams_of_caller: int = Field(default=64, ge=1)
    """Streams that a caller may have open to one gateway process, watches of jobs and waits for them (WaitOperation)
    among them; more are refused. Each may hold an image."""

    caller_rate: float = Field(default=0.0, ge=0)
    """Calls that a caller may send to one gateway process in a second, and as many images in streams; 0 for any number.
    Calls beyond it are refused, streams wait. A caller is the name that goes with a token, else that of a certificate,
    else the host."""

    caller_burst: float = Field(default=64.0, ge=1)
    """Calls that a caller who was quiet for a while may send at once."""

    default_deadline_s: float = Field(default=10.0, gt=0)
    """Time for an image whose caller sets no deadline, in seconds."""

    max_deadline_s: float = Field(default=120.0, gt=0, le=1e8)
    """Longest time for an image, whatever deadline its caller sets, in seconds."""

    trainer_deadline_s: float = Field(default=300.0, gt=0)
    """Time for a call that goes on to the trainer and whose caller sets no deadline, in seconds."""

    drain_grace_s: float = Field(default=20.0, ge=0)
    """Time for calls in flight to finish after SIGTERM, in seconds. Streams that go on are ended after half of it."""

    audit_log: Path | None = None
    """File to which a line of JSON is appended for each verdict: time, request id, caller, SHA-256 of the image, model,
    version, class, probability, reliability, OOD score. None for no log. Where there is one, a verdict that cannot be
    recorded is not given. Workers share it; rotate it by renaming it."""

    decode_threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Threads that decode images; by default as many as CPUs."""

    access_log_level: Literal["DEBUG", "INFO"] = "DEBUG"
    """Level of the record that each call leaves: method, status, duration, version, caller, and why it failed. INFO
    makes it one that is written by default, which takes some 20 microseconds of processor time."""
