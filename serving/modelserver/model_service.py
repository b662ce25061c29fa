"""tensorflow.serving.ModelService."""

import threading
from typing import Any

import grpc

from serving.modelserver.errors import InvalidArgumentError, NotFoundError, UnavailableError
from serving.modelserver.metrics import Metrics
from serving.modelserver.server_core import ServerCore
from tfserving_api.messages import GetModelStatusResponse, ReloadConfigResponse


class ModelService:
    """State of versions, and change of the configuration.

    Args:
      core: knows both.
      metrics: a reload answers by how much they have grown.
      stopping: ends reloads that wait.
    """

    def __init__(self, core: ServerCore, metrics: Metrics, stopping: threading.Event) -> None:
        self._core = core
        self._metrics = metrics
        self._stopping = stopping

    def GetModelStatus(self, request: Any, _: grpc.ServicerContext) -> Any:  # noqa: N802 the RPC's name
        """States of all versions of a model, newest first, or of one."""
        if not request.HasField("model_spec"):
            raise InvalidArgumentError("Missing ModelSpec")
        return model_status(self._core, request.model_spec)

    def HandleReloadConfigRequest(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 as above
        """Replaces the configuration; returns when every new model is available."""
        if request.config.WhichOneof("config") != "model_config_list":
            raise InvalidArgumentError(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        before = self._metrics.totals()
        self._core.reload(request.config, lambda: self._waits_on(context))
        after = self._metrics.totals()
        response = ReloadConfigResponse(status={})
        for name in dict.fromkeys(request.metric_names):
            response.metric.add(name=name, int64_value_increase=after.get(name, 0) - before.get(name, 0))
        return response

    def _waits_on(self, context: grpc.ServicerContext) -> bool:
        if self._stopping.is_set():
            raise UnavailableError("The server stops; the reload was waiting for its models")
        return context.is_active()


def model_status(core: ServerCore, model_spec: Any) -> Any:
    """The GetModelStatusResponse for a ModelSpec. A label in it is ignored, as in the original.

    Raises:
      NotFoundError: no such model or version was ever seen.
    """
    name = model_spec.name
    versions = core.versions(name)
    if model_spec.WhichOneof("version_choice") == "version":
        wanted = model_spec.version.value
        if wanted not in versions:
            raise NotFoundError(f"Could not find version {wanted} of model {name}")
        versions = {wanted: versions[wanted]}
    if not versions:
        raise NotFoundError(f"Could not find any versions of model {name}")
    response = GetModelStatusResponse()
    for version, state in versions.items():
        status = response.model_version_status.add(version=version, state=int(state.state))
        status.status.SetInParent()
        if state.error:
            status.status.error_code = state.error.error_code
            status.status.error_message = state.error.message
    return response
