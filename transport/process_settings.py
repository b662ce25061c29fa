"""Settings that every process with callers has."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from transport.tls_settings import PeerTls

_LAST_PORT = 65535


def _to_listen_on(address: str) -> str:
    if not re.fullmatch(r".+:[0-9]+", address):
        raise ValueError("it is no host and port, such as 127.0.0.1:50051")
    if int(address.rpartition(":")[2]) > _LAST_PORT:
        raise ValueError(f"there is no port beyond {_LAST_PORT}")
    return address


def _to_listen_on_or_empty(address: str) -> str:
    return address and _to_listen_on(address)


ListenAddress = Annotated[str, AfterValidator(_to_listen_on)]
"""Host and port; port 0 takes a free one."""

MaybeListenAddress = Annotated[str, AfterValidator(_to_listen_on_or_empty)]
"""The same, or empty for nowhere."""


class ProcessSettings(BaseSettings):
    """Base of a process's settings, which has a prefix: SOME_LOG_LEVEL sets log_level, SOME_TLS__KEY the key of tls."""

    model_config = SettingsConfigDict(
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    model_name: str = Field(default="brain_tumor", min_length=1)
    """Name of the model in serving, and of its directory under `models/`."""

    serving_address: str = Field(
        default="127.0.0.1:8500", validation_alias="SERVING_ADDRESS", pattern=r"^[^,\s]+(, *[^,\s]+)*$"
    )
    """Where TensorFlow Serving listens: host:port, several of them with commas between them, or a gRPC target such as
    dns:///name:8500. A name is looked up again and again, and each of its addresses is a replica: images go round those
    that answer, and a version becomes stable when all that can be reached hold it. The variable is SERVING_ADDRESS,
    without prefix."""

    serving_tls: PeerTls | None = None
    """TLS of the calls to serving; without it they are plain text. Its files are followed."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe level that is logged."""

    metrics_address: MaybeListenAddress = ""
    """Host and port at which Prometheus reads metrics, over HTTP without log-in; port 0 takes a free one. Empty for
    none."""

    health_address: MaybeListenAddress = ""
    """Host and port for probes: nothing but grpc.health.v1, in plain text and for whoever asks, since probes of Docker
    and Kubernetes have neither TLS nor tokens; port 0 takes a free one. Empty for none."""

    otlp_endpoint: str = Field(default="", validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """Collector of traces, OTLP over gRPC, such as http://127.0.0.1:4317; empty for no traces. The variable is
    OTEL_EXPORTER_OTLP_ENDPOINT, without prefix."""

    trace_ratio: float = Field(default=0.01, ge=0, le=1)
    """Share of calls that are traced, of those whose caller sends no traceparent; the others are as that says."""
