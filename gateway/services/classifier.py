"""braintumor.v1.ClassifierService."""

# ruff: noqa: ARG002, N802 the contract names the methods, and gRPC passes both arguments

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, TypeAlias

import grpc
from braintumor.v1 import classifier_service_pb2 as pb2
from braintumor.v1.classifier_service_pb2_grpc import ClassifierServiceServicer

import gateway
from gateway import deadline
from gateway.backend.canary import ROUTING_KEY
from gateway.backend.served_version import Selector
from gateway.backend.versions import Versions
from gateway.classify import Answer, Classifier, Query
from gateway.imaging import IMAGE_FORMATS
from gateway.room import Room
from gateway.services.streaming import Streams
from gateway.settings import Settings
from gateway.status import to_status
from gateway.telemetry import call
from observability import tracing

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

_MESSAGE = "Welcome to the brain tumor classifier: send a brain MRI slice to Predict. Not a medical device."
_DOCUMENTATION = "README.md and protos/ of the service's repository; gRPC reflection describes every message."


class ClassifierService(ClassifierServiceServicer):
    """Translates between the contract and `Classifier`."""

    def __init__(self, classifier: Classifier, versions: Versions, settings: Settings) -> None:
        self._classifier = classifier
        self._versions = versions
        self._settings = settings
        self._streams = Streams(Room(settings.stream_window, settings.max_queued_bytes))

    def close(self) -> None:
        """Ends streams, once what was read of them is answered, with the word to go on elsewhere."""
        self._streams.close()

    async def GetServiceInfo(self, request: pb2.GetServiceInfoRequest, context: _Context) -> pb2.GetServiceInfoResponse:
        """Tells what is known already; asks nobody."""
        served = [
            pb2.ServedVersion(
                label=label,
                version=version.version,
                input_height=version.spec.height,
                input_width=version.spec.width,
                input_channels=version.spec.channels,
            )
            for label, version in self._versions.served.items()
        ]
        limits = pb2.ImageLimits(
            max_image_bytes=self._settings.max_image_bytes, max_image_pixels=self._settings.max_image_pixels
        )
        return pb2.GetServiceInfoResponse(
            message=_MESSAGE,
            documentation=_DOCUMENTATION,
            service_version=gateway.__version__,
            model_name=self._settings.model_name,
            served_versions=served,
            limits=limits,
            image_formats=IMAGE_FORMATS,
        )

    async def Predict(self, request: pb2.PredictRequest, context: _Context) -> pb2.PredictResponse:
        """Classifies within the caller's deadline, or the default one where the caller sets none."""
        query = _query(request, deadline.current.get(), _routing_key(context))
        answer = await self._classifier.classify(query)
        call.model_version.set(answer.version)
        return self._response(answer)

    # grpc.aio also takes handlers that write their answers, which the generated type leaves out.
    async def PredictStream(  # type: ignore[override]
        self, request_iterator: AsyncIterator[pb2.PredictStreamRequest], context: _Context
    ) -> None:
        """Reads no more images than there is room for."""
        tracing.current.set(None)  # One span for the whole stream, and not some for each of its images.
        answer = partial(self._stream_answer, _routing_key(context))
        await self._streams.answer_all(request_iterator, answer, context.write)

    async def _stream_answer(self, routing_key: str, item: pb2.PredictStreamRequest) -> pb2.PredictStreamResponse:
        try:
            query = _query(item.request, deadline.after(deadline.given_s(None, self._settings)), routing_key)
            response = self._response(await self._classifier.classify(query))
        except Exception as err:  # noqa: BLE001 whatever befalls one image is the answer for that image
            return pb2.PredictStreamResponse(id=item.id, error=to_status(err))
        return pb2.PredictStreamResponse(id=item.id, response=response)

    def _response(self, answer: Answer) -> pb2.PredictResponse:
        verdict = answer.verdict
        response = pb2.PredictResponse(
            prediction=pb2.Prediction(
                label=verdict.label,
                probability=verdict.probability,
                reliability=pb2.Reliability.ValueType(verdict.reliability),
                ood_score=verdict.ood_score,
            ),
            model_name=self._settings.model_name,
            model_version=answer.version,
        )
        if answer.explanation is not None:
            response.explanation.heatmap_png = answer.explanation.heatmap_png
            response.explanation.overlay_png = answer.explanation.overlay_png
        return response


def _routing_key(context: _Context) -> str:
    metadata = context.invocation_metadata() or ()
    return next((value for key, value in metadata if key == ROUTING_KEY and isinstance(value, str)), "")


def _query(request: pb2.PredictRequest, due: float, routing_key: str) -> Query:
    selector: Selector = None
    match request.WhichOneof("model"):
        case "version":
            selector = request.version
        case "version_label":
            selector = request.version_label
    return Query(request.image, selector, request.explain, due, routing_key)
