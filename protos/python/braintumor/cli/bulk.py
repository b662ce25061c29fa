"""Many images over one stream, and over the next where it breaks, or where some are to be sent once more."""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from braintumor.cli.answer import Answer
from braintumor.cli.images import iter_images
from braintumor.client import Client
from braintumor.errors import ServiceError
from braintumor.patience import Patience
from braintumor.requests import Question


class Bulk:
    """Asks about all images below some paths, and knows which of those that it has begun with have had no answer.

    Args:
      client: asks.
      paths: files and folders.
      question: what to ask about each image.
      timeout_s: for how long the service may be away, once it has answered.
    """

    def __init__(self, client: Client, paths: Sequence[Path], question: Question, timeout_s: float) -> None:
        self._client = client
        self._question = question
        self._patience = Patience(timeout_s)
        self._untried = self._walk(paths)
        self._unlisted: OSError | None = None
        self._waiting: dict[str, tuple[Path, float]] = {}
        self._streams = 0
        self._taking = threading.Lock()

    def answers(self) -> Iterator[Answer]:
        """Yields one answer per image, in the order in which they come.

        A stream that breaks is followed by one over the images without an answer, and so is one in which the service
        asked to send some of them once more, until it is away for too long, or refuses. What it said last is then the
        answer to each of them; where it broke the stream it is raised after these.

        Raises:
          ServiceError: the service was not reached, or broke the stream, before the first answer or for good.
          OSError: a folder cannot be listed.
        """
        answered = False
        while True:
            refusal: ServiceError | None = None
            try:
                for image_id, outcome in self._client.predict_stream(self._unanswered(), **asdict(self._question)):
                    answered = True
                    if isinstance(outcome, ServiceError) and self._patience.bears(outcome):
                        refusal = outcome  # The image stays among those that wait.
                        continue
                    path, begin_s = self._waiting.pop(image_id)
                    self._patience.heard()
                    yield Answer(path, outcome, time.perf_counter() - begin_s)
                if self._unlisted is not None:
                    raise self._unlisted  # In a stream that broke before it could.
                if refusal is None:
                    return
                trouble = refusal
            except ServiceError as err:
                if not answered:
                    raise
                refusal, trouble = None, err
            try:
                time.sleep(self._patience.pause_s(trouble))
            except ServiceError:
                for image_id, path in self._unanswered():
                    del self._waiting[image_id]
                    yield Answer(path, trouble)
                if refusal is None:
                    raise
                return

    def _walk(self, paths: Sequence[Path]) -> Iterator[tuple[str, Path]]:
        try:
            for index, path in enumerate(iter_images(paths)):
                yield str(index), path
        except OSError as err:
            self._unlisted = err
            raise

    def _unanswered(self) -> Iterator[tuple[str, Path]]:
        """Yields the images that wait, and those that are still to be read, to one stream.

        The thread that sends may outlive its stream: it gets none once the next has begun.
        """
        with self._taking:
            self._streams += 1
            stream = self._streams
            waiting = [(image_id, path) for image_id, (path, _) in self._waiting.items()]
        images = itertools.chain(waiting, self._untried)
        while True:
            with self._taking:
                if stream != self._streams or (named := next(images, None)) is None:
                    return
                image_id, path = named
                self._waiting[image_id] = (path, time.perf_counter())
            yield image_id, path
