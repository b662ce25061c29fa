"""Versions of the model, for asyncio: a part of `AsyncClient`. Each method is as its namesake of `VersionCalls`."""

from braintumor.async_connection import AsyncConnection
from braintumor.v1.model_service_pb2 import (
    GetModelReportRequest,
    GetModelVersionRequest,
    ListModelVersionsRequest,
    ModelVersion,
    PromoteModelVersionRequest,
    RollbackModelRequest,
    SetCanaryRequest,
)
from braintumor.v1.trainer_service_pb2 import EvaluateRequest, EvaluateResponse
from braintumor.version_calls import EVALUATION_TIMEOUT_S, ROLLOUT_TIMEOUT_S


class AsyncVersionCalls(AsyncConnection):
    """Lists versions, and says which of them answer. Every method raises ServiceError.

    Arguments that cannot be sent are a TypeError or a ValueError.
    """

    async def versions(self, *, timeout_s: float | None = None) -> list[ModelVersion]:
        """Lists the versions on disk, newest first, without their model cards."""
        pages = self._pages(self._models.ListModelVersions, ListModelVersionsRequest(), timeout_s)
        return [version async for page in pages for version in page.model_versions]

    async def version(self, number: int = 0, *, timeout_s: float | None = None) -> ModelVersion:
        """Describes one version, with its model card; 0 is the stable one."""
        request = GetModelVersionRequest(version=number)
        return (await self._call(self._models.GetModelVersion, request, timeout_s)).model_version

    async def report(self, number: int = 0, *, timeout_s: float | None = None) -> bytes:
        """Returns the report of the training that made a version, an HTML page in UTF-8; 0 is the stable one."""
        request = GetModelReportRequest(version=number)
        return (await self._call(self._models.GetModelReport, request, timeout_s)).html

    async def promote(self, number: int, *, timeout_s: float = ROLLOUT_TIMEOUT_S) -> ModelVersion:
        """Makes a version the stable one; returns it."""
        request = PromoteModelVersionRequest(version=number)
        return (await self._call(self._models.PromoteModelVersion, request, timeout_s)).model_version

    async def rollback(self, *, timeout_s: float = ROLLOUT_TIMEOUT_S) -> ModelVersion:
        """Makes the version before the stable one stable again; returns it."""
        return (await self._call(self._models.RollbackModel, RollbackModelRequest(), timeout_s)).model_version

    async def canary(self, number: int, percent: float, *, timeout_s: float = ROLLOUT_TIMEOUT_S) -> ModelVersion | None:
        """Sends a share of the calls that name no version to a version; returns it."""
        request = SetCanaryRequest(version=number, percent=percent)
        answer = await self._call(self._models.SetCanary, request, timeout_s)
        return answer.model_version if answer.HasField("model_version") else None

    async def evaluate(self, number: int = 0, *, timeout_s: float = EVALUATION_TIMEOUT_S) -> EvaluateResponse:
        """Measures a version on the stored test split; 0 is the stable one."""
        return await self._call(self._trainer.Evaluate, EvaluateRequest(version=number), timeout_s)
