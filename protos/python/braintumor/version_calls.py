"""Versions of the model, for threads: a part of `Client`."""

from braintumor.connection import Connection
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

ROLLOUT_TIMEOUT_S = 150.0
"""Deadline of a change of version: a version is loaded and proves itself first."""

EVALUATION_TIMEOUT_S = 600.0
"""Deadline of an evaluation: a version answers for each slice of the test split."""


class VersionCalls(Connection):
    """Lists versions, and says which of them answer. Every method raises ServiceError.

    Arguments that cannot be sent are a TypeError or a ValueError.
    """

    def versions(self, *, timeout_s: float | None = None) -> list[ModelVersion]:
        """Lists the versions on disk, newest first, without their model cards."""
        pages = self._pages(self._models.ListModelVersions, ListModelVersionsRequest(), timeout_s)
        return [version for page in pages for version in page.model_versions]

    def version(self, number: int = 0, *, timeout_s: float | None = None) -> ModelVersion:
        """Describes one version, with its model card; 0 is the stable one."""
        return self._call(self._models.GetModelVersion, GetModelVersionRequest(version=number), timeout_s).model_version

    def report(self, number: int = 0, *, timeout_s: float | None = None) -> bytes:
        """Returns the report of the training that made a version, an HTML page in UTF-8; 0 is the stable one."""
        return self._call(self._models.GetModelReport, GetModelReportRequest(version=number), timeout_s).html

    def promote(self, number: int, *, timeout_s: float = ROLLOUT_TIMEOUT_S) -> ModelVersion:
        """Makes a version the stable one, once it answers as in training; returns it."""
        request = PromoteModelVersionRequest(version=number)
        return self._call(self._models.PromoteModelVersion, request, timeout_s).model_version

    def rollback(self, *, timeout_s: float = ROLLOUT_TIMEOUT_S) -> ModelVersion:
        """Makes the version before the stable one stable again; returns it. A second rollback goes forward again."""
        return self._call(self._models.RollbackModel, RollbackModelRequest(), timeout_s).model_version

    def canary(self, number: int, percent: float, *, timeout_s: float = ROLLOUT_TIMEOUT_S) -> ModelVersion | None:
        """Sends a share of the calls that name no version to a version; returns it.

        Args:
          number: of the version; of no matter where percent is 0.
          percent: the share, in [0, 100]; 0 ends the canary, and None is returned.
          timeout_s: deadline of the call.
        """
        request = SetCanaryRequest(version=number, percent=percent)
        answer = self._call(self._models.SetCanary, request, timeout_s)
        return answer.model_version if answer.HasField("model_version") else None

    def evaluate(self, number: int = 0, *, timeout_s: float = EVALUATION_TIMEOUT_S) -> EvaluateResponse:
        """Measures a version on the stored test split; 0 is the stable one."""
        return self._call(self._trainer.Evaluate, EvaluateRequest(version=number), timeout_s)
