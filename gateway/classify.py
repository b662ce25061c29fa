"""The way of an image: decode, preprocess, batch, verdict."""

import asyncio
import logging
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from gateway.audit import Audit
from gateway.backend.batcher import Batcher, BatchKey, Row
from gateway.backend.canary import Canary
from gateway.backend.retry import retrying
from gateway.backend.served_version import EXPLAIN_SIGNATURE, PREDICT_SIGNATURE, Selector, ServedVersion
from gateway.backend.versions import Versions
from gateway.decoding import Decoding
from gateway.errors import DeadlineExceededError, ExplanationUnavailableError, ModelFailedError, VersionGoneError
from gateway.explanation import Explanation, explain
from gateway.imaging import ImageArray, InputSpec, is_in_colour, preprocess
from gateway.telemetry.metrics import inferences, predictions
from gateway.telemetry.stages import DecodingStage
from gateway.verdict import Reliability, Verdict, read_verdict

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Query:
    """One image to classify."""

    image: bytes
    """The encoded file."""
    selector: Selector
    """Version number, label, or None for the default."""
    explain: bool
    """Whether an explanation is wanted too."""
    deadline: float
    """When the caller gives up, in seconds of the loop's clock."""
    routing_key: str
    """What sticks to one version while there is a canary; empty for none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says of an image."""

    version: int
    """The version that answered."""
    verdict: Verdict
    explanation: Explanation | None


class Classifier:
    """Classifies images. Knows nothing of gRPC's servicers."""

    def __init__(self, versions: Versions, canary: Canary, batcher: Batcher, audit: Audit, decoding: Decoding) -> None:
        self._versions = versions
        self._canary = canary
        self._batcher = batcher
        self._audit = audit
        self._decoding = decoding

    async def classify(self, query: Query) -> Answer:
        """Classifies one image.

        Raises:
          GatewayError, InvalidImageError: as they say.
        """
        self._decoding.check_size(query.image)  # before serving is asked, which may be away
        try:
            async with asyncio.timeout_at(query.deadline):
                answer = await self._classify_with_what_is_served(query)
                await self._audit.note(query.image, answer.version, answer.verdict)
                predictions(answer.version, answer.verdict.label, answer.verdict.reliability.name).inc()
                return answer
        except TimeoutError as err:
            raise DeadlineExceededError("The image was not classified within the call's deadline.") from err

    async def _classify_with_what_is_served(self, query: Query) -> Answer:
        canary = self._canary.version_for(query.routing_key) if query.selector is None else None
        if canary is not None and (answer := await self._try(canary, query)):
            return answer
        gone = None
        while True:
            version = await retrying(partial(self._versions.resolve, query.selector, query.deadline), query.deadline)
            try:
                return await self._ask(version, query)
            except VersionGoneError:
                if version == gone:
                    raise
            gone = version
            await self._versions.look_again(gone)

    async def _try(self, canary: ServedVersion, query: Query) -> Answer | None:
        """Asks a version that callers know nothing of; where it fails by itself they shall not notice."""
        try:
            return await self._ask(canary, query)
        except VersionGoneError:
            await self._versions.look_again(canary)
        except (ModelFailedError, ExplanationUnavailableError) as err:
            _logger.warning("canary failed", extra={"model_version": canary.version, "reason": err.reason})
        return None

    async def _ask(self, version: ServedVersion, query: Query) -> Answer:
        if query.explain and not version.explains:
            raise ExplanationUnavailableError(f"Version {version.version} of the model cannot explain its verdicts.")
        with DecodingStage():
            fitted = await self._decoding.decoded(query.image, partial(_fitted, spec=version.spec))
        key = BatchKey(version.version, EXPLAIN_SIGNATURE if query.explain else PREDICT_SIGNATURE)
        row = await retrying(partial(self._batcher.submit, key, fitted.pixels, query.deadline), query.deadline)
        try:
            explanation = await self._explain(row, query.image) if query.explain else None
            verdict = read_verdict(row)
        except ModelFailedError as err:
            inferences(version.version, err.reason).inc()  # serving has called its batch OK
            raise
        if fitted.has_lost_colour:
            verdict = replace(verdict, reliability=Reliability.OUT_OF_DOMAIN)
        return Answer(version.version, verdict, explanation)

    async def _explain(self, row: Row, image: bytes) -> Explanation:
        heat = np.asarray(row.get("heatmap"))
        if heat.ndim != 2 or heat.dtype.kind != "f":
            raise ModelFailedError("The model's explanation holds no heatmap.")
        # Decoded once more: until now the picture, up to some 100 MB, would have had to wait.
        return await self._decoding.decoded(image, partial(explain, heat))


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A picture as a version takes it."""

    pixels: ImageArray
    has_lost_colour: bool
    """So that the version cannot know of it."""


def _fitted(picture: ImageArray, spec: InputSpec) -> _Fitted:
    return _Fitted(preprocess(picture, spec), spec.channels == 1 and is_in_colour(picture))
