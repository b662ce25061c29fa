"""Command line flags, spelled and defaulted as tensorflow_model_server's."""

import argparse
import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.modelserver.errors import InvalidArgumentError

_log = logging.getLogger(__name__)

_STAND_IN_FOR = "2.20"

_LAST_PORT = 65535

ENGINES = ("auto", "tensorflow", "openvino")


def _flag(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, slots=True)
class Flags:
    """Settings of the process."""

    port: int = _flag(8500, "TCP port for gRPC; 0 picks a free one and prints it")
    grpc_socket_path: str = _flag("", "also listen on this UNIX socket")
    grpc_channel_arguments: str = _flag("", "comma-separated key=value, arguments of gRPC's own for the server")
    rest_api_port: int = _flag(0, "TCP port for status and metrics over HTTP; 0 is off")
    monitoring_config_file: str = _flag("", "MonitoringConfig in text format; turns on Prometheus metrics")
    model_name: str = _flag("default", "name of the model; ignored with --model_config_file")
    model_base_path: str = _flag("", "directory with the numbered versions; ignored with --model_config_file")
    model_config_file: str = _flag("", "ModelServerConfig in text format")
    model_config_file_poll_wait_seconds: int = _flag(0, "seconds between readings of that file; 0 reads it once")
    file_system_poll_wait_seconds: int = _flag(1, "seconds between looks for versions; 0 looks once, negative never")
    max_num_load_retries: int = _flag(5, "tries after the first, when a version does not load")
    load_retry_interval_micros: int = _flag(60_000_000, "microseconds between these tries")
    num_load_threads: int = _flag(0, "loads at once; 0 is 2")
    num_unload_threads: int = _flag(0, "unloads at once; 0 is 2")
    grpc_max_threads: int = _flag(0, "predictions in progress at once, more wait; 0 is 4 per processor, at least 16")
    saved_model_tags: str = _flag("serve", "comma-separated tags of the MetaGraph to load")
    enable_model_warmup: bool = _flag(True, "replay assets.extra/tf_serving_warmup_requests before serving")
    num_request_iterations_for_warmup: int = _flag(1, "how often each of these requests is replayed")
    allow_version_labels_for_unavailable_models: bool = _flag(False, "a new label may point at a version not loaded")
    enable_grpc_healthcheck_service: bool = _flag(False, "serve grpc.health.v1")
    enable_serialization_as_tensor_content: bool = _flag(False, "answer with tensor_content, not typed fields")
    enable_signature_method_name_check: bool = _flag(False, "only signatures made for serving may run")
    enable_batching: bool = _flag(False, "accepted, but requests are not batched")
    batching_parameters_file: str = _flag("", "accepted with --enable_batching, not read")
    engine: str = _flag("auto", "auto, tensorflow or openvino (not in the original)")
    mixed_precision: str = _flag("", "bfloat16 lets OpenVINO compute in it, if the processor can")
    drain_seconds: int = _flag(30, "seconds that calls in progress have after SIGTERM (not in the original)")
    bind_address: str = _flag("127.0.0.1", "host, IPv4 or IPv6 to listen on (not in the original: it takes 0.0.0.0)")


_WITHOUT_MEANING = (
    "rest_api_num_threads", "rest_api_timeout_in_ms", "rest_api_enable_cors_support", "flush_filesystem_caches",
    "tensorflow_session_parallelism", "tensorflow_session_config_file", "tensorflow_intra_op_parallelism",
    "tensorflow_inter_op_parallelism", "per_process_gpu_memory_fraction",
    "remove_unused_fields_from_bundle_metagraph", "num_tflite_interpreters_per_pool", "num_tflite_pools",
    "enforce_session_run_timeout", "xla_cpu_compilation_enabled", "xla_gpu_compilation_enabled", "enable_profiler",
    "thread_pool_factory_config_file", "enable_per_model_batching_parameters", "skip_initialize_tpu", "use_tfrt",
    "use_saved_model",
)  # fmt: skip
"""Flags of the original that change nothing here."""

_NOT_SUPPORTED = (
    "ssl_config_file", "use_alts_credentials", "platform_config_file", "prefer_tflite_model", "use_tflite_model",
)  # fmt: skip
"""Flags of the original that a server must not merely ignore."""


def parse_flags(arguments: Sequence[str]) -> Flags:
    """Reads the command line; ends the process on an unknown or malformed flag, and says what is ignored.

    Raises:
      InvalidArgumentError: flags that contradict each other or ask for what is left out.
    """
    parser = argparse.ArgumentParser("python -m serving.modelserver", allow_abbrev=False)
    _add_boolean(parser, "version", default=False, help_text="print the version, and end")
    for flag in dataclasses.fields(Flags):
        help_text = flag.metadata["help"]
        if isinstance(flag.default, bool):
            _add_boolean(parser, flag.name, default=flag.default, help_text=help_text)
        else:
            parser.add_argument(f"--{flag.name}", type=type(flag.default), default=flag.default, help=help_text)
    for name in (*_WITHOUT_MEANING, *_NOT_SUPPORTED):
        parser.add_argument(f"--{name}", nargs="?", default=argparse.SUPPRESS, const="true", help=argparse.SUPPRESS)
    parsed = vars(parser.parse_args(arguments))
    if parsed.pop("version"):
        print(f"TensorFlow ModelServer: {_STAND_IN_FOR} (stand-in)")  # noqa: T201 it was asked for
        parser.exit()
    for name in _WITHOUT_MEANING:
        if name in parsed:
            del parsed[name]
            _log.warning("--%s has no meaning here and is ignored", name)
    for name in _NOT_SUPPORTED:
        if parsed.pop(name, "") not in {"", "false", "0"}:
            raise InvalidArgumentError(f"--{name} is not supported by this stand-in; use TensorFlow Serving for it")
    parsed["bind_address"] = parsed["bind_address"].strip("[]")
    return _checked(Flags(**parsed))


def _checked(flags: Flags) -> Flags:
    if flags.batching_parameters_file and not flags.enable_batching:
        raise InvalidArgumentError(
            "server_options.batching_parameters_file is set without setting server_options.enable_batching to true."
        )
    if flags.enable_batching:
        _log.warning("--enable_batching is accepted, but requests run one by one: batch in the client")
    if flags.engine not in ENGINES:
        raise InvalidArgumentError(f"--engine is {flags.engine!r}; it may be {', '.join(ENGINES)}")
    for name in ("port", "rest_api_port"):
        if not 0 <= getattr(flags, name) <= _LAST_PORT:
            raise InvalidArgumentError(f"--{name} is {getattr(flags, name)}; ports are 0 to {_LAST_PORT}")
    for name in ("num_load_threads", "num_unload_threads", "grpc_max_threads", "drain_seconds"):
        if getattr(flags, name) < 0:
            raise InvalidArgumentError(f"--{name} is {getattr(flags, name)}; it may be 0 or more")
    if flags.mixed_precision not in {"", "bfloat16"}:
        raise InvalidArgumentError(f"--mixed_precision is {flags.mixed_precision!r}; it may be bfloat16 or empty")
    return flags


def _add_boolean(parser: argparse.ArgumentParser, name: str, *, default: bool, help_text: str) -> None:
    parser.add_argument(f"--{name}", type=_boolean, nargs="?", const=True, default=default, help=help_text)


def _boolean(text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return values[text.lower()]
