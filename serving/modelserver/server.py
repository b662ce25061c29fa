"""Composition root: builds the server out of its parts and runs it."""

import logging
import threading
from pathlib import Path
from typing import Any

from serving.modelserver.config import parse_config_file, single_model_config
from serving.modelserver.errors import DeadlineExceededError, InvalidArgumentError
from serving.modelserver.flags import Flags
from serving.modelserver.grpc_server import GrpcServer
from serving.modelserver.loader import Loader
from serving.modelserver.manager import AspiredVersionsManager, RetryPolicy
from serving.modelserver.metrics import Metrics
from serving.modelserver.model_service import ModelService
from serving.modelserver.monitoring import prometheus_path
from serving.modelserver.predict import PredictOptions
from serving.modelserver.prediction_service import PredictionService
from serving.modelserver.rest import RestApi, start_http_server
from serving.modelserver.server_core import ServerCore
from serving.modelserver.states import ServableStateMonitor
from transport.threads import running_threads

_log = logging.getLogger(__name__)

_STEP_S = 0.1
_DEFAULT_LOAD_THREADS = 2


class ModelServer:
    """The whole server. `run` blocks until `stop`, which any thread may call."""

    def __init__(self, flags: Flags) -> None:
        self._flags = flags
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._metrics = Metrics()
        self._core = self._build_core()
        self._grpc = GrpcServer(
            flags,
            PredictionService(
                self._core,
                self._metrics,
                PredictOptions(
                    as_content=flags.enable_serialization_as_tensor_content,
                    check_method_name=flags.enable_signature_method_name_check,
                ),
            ),
            ModelService(self._core, self._metrics, self._stopping),
        )

    def _build_core(self) -> ServerCore:
        flags = self._flags
        monitor = ServableStateMonitor()
        loader = Loader(
            self._metrics,
            tags=frozenset(flags.saved_model_tags.split(",")),
            engine=flags.engine,
            bf16=flags.mixed_precision == "bfloat16",
            enable_model_warmup=flags.enable_model_warmup,
            warmup_iterations=flags.num_request_iterations_for_warmup,
        )
        manager = AspiredVersionsManager(
            loader.load,
            monitor,
            RetryPolicy(flags.max_num_load_retries, flags.load_retry_interval_micros / 1e6),
            loading=running_threads(flags.num_load_threads or _DEFAULT_LOAD_THREADS, "load"),
            unloading=running_threads(flags.num_unload_threads or _DEFAULT_LOAD_THREADS, "unload"),
            on_change=self._wake.set,
        )
        return ServerCore(
            manager,
            monitor,
            flags.file_system_poll_wait_seconds,
            allow_labels_for_unavailable=flags.allow_version_labels_for_unavailable_models,
            on_change=self._wake.set,
        )

    def run(self) -> None:
        """Loads the models, then serves until stopped, then lets the calls in progress finish.

        Raises:
          ServingError: the server could not start.
        """
        added, since = self._core.apply(self._initial_config())
        threading.Thread(target=self._loop, name="manager", daemon=True).start()
        try:
            self._core.await_models(added, since, "servable(s)", lambda: not self._stopping.is_set())
            self._serve()
        except DeadlineExceededError:
            return  # stopped before anything served
        finally:
            self.stop()

    def stop(self) -> None:
        """Begins the end."""
        self._stopping.set()
        self._wake.set()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(_STEP_S)
            self._wake.clear()
            try:
                self._core.step()
                self._grpc.update_health(serving=self._core.all_available())
            except Exception:  # noqa: BLE001 one fault of ours must not end the server
                _log.exception("A step of the manager failed; the next one goes on")

    def _poll_config(self) -> None:
        while not self._stopping.wait(self._flags.model_config_file_poll_wait_seconds):
            self._core.apply_file(Path(self._flags.model_config_file))

    def _initial_config(self) -> Any:
        flags = self._flags
        if flags.model_config_file:
            return parse_config_file(Path(flags.model_config_file))
        if not flags.model_name or not flags.model_base_path:
            raise InvalidArgumentError(
                "Both server_options.model_base_path and server_options.model_config_file are empty!"
            )
        return single_model_config(flags.model_name, flags.model_base_path)

    def _serve(self) -> None:
        flags = self._flags
        if flags.model_config_file and flags.model_config_file_poll_wait_seconds > 0:
            threading.Thread(target=self._poll_config, name="config", daemon=True).start()
        self._start_rest()
        for address in self._grpc.start():
            print(f"Running gRPC ModelServer at {address} ...", flush=True)  # noqa: T201 who started us reads it
        self._stopping.wait()
        _log.info("Draining: at most %d s for calls in progress", flags.drain_seconds)
        self._grpc.drain(flags.drain_seconds)

    def _start_rest(self) -> None:
        flags = self._flags
        if not flags.rest_api_port:
            return
        if flags.rest_api_port == flags.port:
            _log.error("--rest_api_port cannot be the same as --port; serving no HTTP")
            return
        metrics_path = prometheus_path(Path(flags.monitoring_config_file)) if flags.monitoring_config_file else None
        try:
            start_http_server(RestApi(self._core, self._metrics, metrics_path), flags.bind_address, flags.rest_api_port)
        except OSError as err:
            _log.error("Failed to start the HTTP server on port %d: %s", flags.rest_api_port, err)
        else:
            _log.info("Exporting HTTP/REST API at:%s:%d ...", flags.bind_address, flags.rest_api_port)
