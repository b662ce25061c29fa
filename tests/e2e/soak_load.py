"""Callers of all kinds, and an operator who trains, promotes, rolls back and tries canaries."""

import asyncio
import io
import itertools
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Self

import grpc
from braintumor.v1 import classifier_service_pb2 as pb2
from braintumor.v1 import (
    classifier_service_pb2_grpc,
    model_service_pb2,
    model_service_pb2_grpc,
    trainer_service_pb2,
    trainer_service_pb2_grpc,
)
from google.longrunning import operations_pb2, operations_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from PIL import Image

from trainer.data.synthetic import synthetic_slice

_FORMATS = (("PNG", {}), ("JPEG", {"quality": 85}), ("TIFF", {}), ("BMP", {}), ("WEBP", {"lossless": True}))
_SINGLE_CALLERS = 6
_STREAMED = 200
_TIMEOUT_S = 20.0
_GIVE_UP_S = 0.002
_MAX_FAILURES = 20
_TRIED_BY = 40
"""Calls at a canary with half of them: that it has none of these is a chance of one in 10**12."""


class Load:
    """Calls for as long as the context lasts.

    Attributes:
      calls: by kind, those that came to the end that they should.
      failures: of all others, what they came to.
      versions: that answered.
      held: the versions that serving held when last looked at.
      jobs: by how they ended.
    """

    def __init__(self, address: str, job_every_s: float) -> None:
        self._address = address
        self._job_every_s = job_every_s
        self._images = [_encoded(seed, *_FORMATS[seed % len(_FORMATS)]) for seed in range(40)]
        self.calls: Counter[str] = Counter()
        self.failures: list[str] = []
        self.versions: set[int] = set()
        self.held: set[int] = set()
        self.jobs: Counter[str] = Counter()

    @property
    def goes_on(self) -> bool:
        """Whether it is worth it: not where everything fails."""
        return len(self.failures) < _MAX_FAILURES

    async def __aenter__(self) -> Self:
        self._channel = grpc.aio.insecure_channel(self._address)
        health: Any = health_pb2_grpc.HealthStub(self._channel)
        classifier = pb2.DESCRIPTOR.services_by_name["ClassifierService"].full_name
        while True:  # until serving has the version that it shall begin with
            try:
                answer = await health.Check(health_pb2.HealthCheckRequest(service=classifier), wait_for_ready=True)
            except grpc.aio.AioRpcError:
                continue
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                break
            await asyncio.sleep(0.2)
        kinds: list[tuple[str, Callable[[int], Awaitable[None]], float]] = [
            *(("predict", self._predict, 0.02) for _ in range(_SINGLE_CALLERS)),
            ("explain", self._explain, 0.1),
            ("stream", self._stream, 1.0),
            ("bad image", self._bad_image, 0.1),
            ("left", self._leave, 0.1),
            ("look", self._look, 1.0),
            ("new connection", self._connect, 1.0),
            ("operate", self._operate, 20.0),
            ("train", self._train, self._job_every_s),
        ]
        self._tasks = [asyncio.create_task(self._again_and_again(*kind)) for kind in kinds]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._channel.close()

    async def _again_and_again(self, name: str, call: Callable[[int], Awaitable[None]], pause_s: float) -> None:
        for number in itertools.count():
            try:
                await call(number)
                self.calls[name] += 1
            except grpc.aio.AioRpcError as err:
                self.failures.append(f"{name}: {err.code().name} {err.details()}")
            except Exception:  # noqa: BLE001  told at the end
                self.failures.append(f"{name}: {traceback.format_exc()}")
            await asyncio.sleep(pause_s)

    def _image(self, number: int) -> bytes:
        return self._images[number % len(self._images)]

    @property
    def _classifier(self) -> Any:
        return classifier_service_pb2_grpc.ClassifierServiceStub(self._channel)

    async def _predict(self, number: int) -> None:
        answer = await self._classifier.Predict(pb2.PredictRequest(image=self._image(number)), timeout=_TIMEOUT_S)
        self.versions.add(answer.model_version)

    async def _explain(self, number: int) -> None:
        request = pb2.PredictRequest(image=self._image(number), explain=True)
        answer = await self._classifier.Predict(request, timeout=_TIMEOUT_S)
        _expect(answer.explanation.overlay_png.startswith(b"\x89PNG"), "an overlay")

    async def _stream(self, _number: int) -> None:
        async def requests() -> AsyncIterator[pb2.PredictStreamRequest]:
            for index in range(_STREAMED):
                yield pb2.PredictStreamRequest(id=str(index), request=pb2.PredictRequest(image=self._image(index)))

        answers = [answer async for answer in self._classifier.PredictStream(requests(), timeout=120)]
        errors = Counter(answer.error.message for answer in answers if answer.HasField("error"))
        _expect(not errors and len({answer.id for answer in answers}) == _STREAMED, f"all answers, and not {errors}")

    async def _bad_image(self, number: int) -> None:
        image = self._image(number)[: 40 + number % 500]
        try:
            await self._classifier.Predict(pb2.PredictRequest(image=image), timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError as err:
            if err.code() is not grpc.StatusCode.INVALID_ARGUMENT:
                raise

    async def _leave(self, number: int) -> None:
        call = self._classifier.Predict(pb2.PredictRequest(image=self._image(number)), timeout=_TIMEOUT_S)
        await asyncio.wait([asyncio.ensure_future(call.code())], timeout=_GIVE_UP_S)
        call.cancel()

    async def _look(self, _number: int) -> None:
        await self._classifier.GetServiceInfo(pb2.GetServiceInfoRequest(), timeout=_TIMEOUT_S)
        available = model_service_pb2.MODEL_VERSION_STATE_AVAILABLE
        self.held = {version.version for version in await self._listed() if version.state == available}

    async def _connect(self, number: int) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(self._address, options=options) as channel:
            stub: Any = classifier_service_pb2_grpc.ClassifierServiceStub(channel)
            await stub.Predict(pb2.PredictRequest(image=self._image(number)), timeout=_TIMEOUT_S)

    async def _operate(self, number: int) -> None:
        """Goes back to the version before, forward again to the newest, and tries an older one beside it."""
        versions = await self._listed()
        if len(versions) < 3:
            return
        if number % 3 == 0:
            await self._models.RollbackModel(model_service_pb2.RollbackModelRequest(), timeout=60)
        elif number % 3 == 1:
            request = model_service_pb2.PromoteModelVersionRequest(version=versions[0].version)
            await self._models.PromoteModelVersion(request, timeout=60)
        else:
            # The first of these may be one that a training is about to make stable.
            _, canary, *_ = (version.version for version in versions if "stable" not in version.labels)
            await self._try(canary)

    async def _try(self, canary: int) -> None:
        """Gives a version half of the calls, expects answers of it, and ends that again."""
        await self._models.SetCanary(model_service_pb2.SetCanaryRequest(version=canary, percent=50), timeout=60)
        request = pb2.PredictRequest(image=self._image(0))
        answers = [await self._classifier.Predict(request, timeout=_TIMEOUT_S) for _ in range(_TRIED_BY)]
        await self._models.SetCanary(model_service_pb2.SetCanaryRequest(), timeout=60)
        _expect(canary in {answer.model_version for answer in answers}, f"answers of canary {canary}")

    @property
    def _models(self) -> Any:
        return model_service_pb2_grpc.ModelServiceStub(self._channel)

    async def _listed(self) -> Sequence[Any]:
        """Returns the versions on disk, newest first."""
        request = model_service_pb2.ListModelVersionsRequest()
        return (await self._models.ListModelVersions(request, timeout=_TIMEOUT_S)).model_versions

    async def _train(self, number: int) -> None:
        trainer: Any = trainer_service_pb2_grpc.TrainerServiceStub(self._channel)
        operations: Any = operations_pb2_grpc.OperationsStub(self._channel)
        order = trainer_service_pb2.RetrainRequest(epochs=1, seed=number, force=True, request_id=f"soak-{number}")
        operation = await trainer.Retrain(order, timeout=_TIMEOUT_S)
        while not operation.done:
            operation = await operations.WaitOperation(operations_pb2.WaitOperationRequest(name=operation.name))
        self.jobs[operation.WhichOneof("result")] += 1
        _expect(operation.WhichOneof("result") == "response", f"no {operation.error.message}")


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(f"expected {what}")


def _encoded(seed: int, kind: str, options: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(synthetic_slice(seed, lesion=seed % 2 == 1)[..., 0]).save(file, kind, **options)
    return file.getvalue()
