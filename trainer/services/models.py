"""braintumor.v1.ModelService."""

# ruff: noqa: ARG002, N802 the contract names the methods, and gRPC passes both arguments

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeAlias

import grpc
from braintumor.v1 import model_service_pb2 as pb2
from braintumor.v1 import trainer_service_pb2
from braintumor.v1.model_service_pb2_grpc import ModelServiceServicer

from trainer.errors import ServingRefusedError, ServingUnavailableError
from trainer.rollout.following import Serving
from trainer.rollout.rollout import Rollout
from trainer.rollout.serving_client import VersionState, VersionStatus
from trainer.rollout.state import RolloutState
from trainer.services.paging import first_of_page, size_of_page
from trainer.settings import TrainerSettings
from trainer.versions import VersionRecord, read_report, read_version, read_versions, versions_on_disk

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


_STATES = {
    VersionState.UNKNOWN: pb2.MODEL_VERSION_STATE_UNSPECIFIED,
    VersionState.START: pb2.MODEL_VERSION_STATE_START,
    VersionState.LOADING: pb2.MODEL_VERSION_STATE_LOADING,
    VersionState.AVAILABLE: pb2.MODEL_VERSION_STATE_AVAILABLE,
    VersionState.UNLOADING: pb2.MODEL_VERSION_STATE_UNLOADING,
    VersionState.END: pb2.MODEL_VERSION_STATE_END,
}


class ModelServicer(ModelServiceServicer):
    """Versions on disk, and the labels that choose among them."""

    def __init__(self, rollout: Rollout, serving: Serving, settings: TrainerSettings) -> None:
        self._rollout = rollout
        self._serving = serving
        self._model_dir = settings.model_dir

    async def ListModelVersions(
        self, request: pb2.ListModelVersionsRequest, context: _Context
    ) -> pb2.ListModelVersionsResponse:
        """Pages through the versions, newest first. A page's token is its first version's number."""
        size = size_of_page(request.page_size)
        first = first_of_page(request.page_token)
        versions = [version for version in reversed(versions_on_disk(self._model_dir)) if version <= first]
        state, statuses = self._rollout.state, await self._statuses()
        response = pb2.ListModelVersionsResponse()
        for record in await asyncio.to_thread(read_versions, self._model_dir, versions[:size]):
            described = _message(record, state, statuses)
            described.ClearField("model_card_json")
            response.model_versions.append(described)
        if len(versions) > size:
            response.next_page_token = str(versions[size])
        return response

    async def GetModelVersion(
        self, request: pb2.GetModelVersionRequest, context: _Context
    ) -> pb2.GetModelVersionResponse:
        """Describes one version, the stable one where none is named."""
        return pb2.GetModelVersionResponse(model_version=await self._described(self._rollout.chosen(request.version)))

    async def GetModelReport(self, request: pb2.GetModelReportRequest, context: _Context) -> pb2.GetModelReportResponse:
        """Returns the report of one version, of the stable one where none is named."""
        version = self._rollout.chosen(request.version)
        html = await asyncio.to_thread(read_report, self._model_dir, version)
        return pb2.GetModelReportResponse(html=html, model_version=version)

    async def PromoteModelVersion(
        self, request: pb2.PromoteModelVersionRequest, context: _Context
    ) -> pb2.PromoteModelVersionResponse:
        """Makes a version stable."""
        await self._rollout.roll_out(request.version)
        return pb2.PromoteModelVersionResponse(model_version=await self._described(request.version))

    async def RollbackModel(self, request: pb2.RollbackModelRequest, context: _Context) -> pb2.RollbackModelResponse:
        """Makes the previous version stable."""
        version = await self._rollout.rollback()
        return pb2.RollbackModelResponse(model_version=await self._described(version))

    async def SetCanary(self, request: pb2.SetCanaryRequest, context: _Context) -> pb2.SetCanaryResponse:
        """Tries a version on a share of the traffic, or ends the trial."""
        await self._rollout.set_canary(request.version, request.percent)
        if request.percent == 0:
            return pb2.SetCanaryResponse()
        return pb2.SetCanaryResponse(model_version=await self._described(request.version))

    async def _described(self, version: int) -> pb2.ModelVersion:
        record = read_version(self._model_dir, version)
        return _message(record, self._rollout.state, await self._statuses())

    async def _statuses(self) -> Mapping[int, VersionStatus]:
        try:
            return await self._serving.statuses()
        except (ServingUnavailableError, ServingRefusedError):
            return {}


def _message(record: VersionRecord, state: RolloutState, statuses: Mapping[int, VersionStatus]) -> pb2.ModelVersion:
    message = pb2.ModelVersion(
        version=record.version,
        state=_STATES[statuses.get(record.version, VersionStatus()).state],
        labels=[label for label, version in state.labels.items() if version == record.version],
        data_fingerprint=record.fingerprint,
        parent_version=record.parent,
        architecture=record.architecture,
        model_card_json=record.card,
        canary_percent=state.canary_percent if record.version == state.canary else 0.0,
    )
    if record.evaluation is not None:
        message.evaluation.CopyFrom(trainer_service_pb2.Evaluation(**asdict(record.evaluation)))
    if record.created is not None:
        message.create_time.FromDatetime(record.created)
    return message
