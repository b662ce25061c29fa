"""Many images over one stream."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from braintumor.cli.answer import Answer
from braintumor.cli.images import iter_images
from braintumor.client import Client
from braintumor.errors import ServiceError
from braintumor.requests import Question


class Bulk:
    """Asks about all images below some paths, and knows which have had no answer.

    Args:
      client: asks.
      paths: files and folders.
      question: what to ask about each image.
    """

    def __init__(self, client: Client, paths: Sequence[Path], question: Question) -> None:
        self._client = client
        self._paths = paths
        self._question = question
        self._waiting: dict[str, tuple[Path, float]] = {}
        self._begun = 0

    def answers(self) -> Iterator[Answer]:
        """Yields one answer per image, in the order in which they come.

        Where the stream breaks, its error is the answer to every image that has none.

        Raises:
          ServiceError: the stream broke before the first answer.
          OSError: a folder cannot be listed.
        """
        answered = False
        try:
            for image_id, outcome in self._client.predict_stream(self._images(), **asdict(self._question)):
                path, begin_s = self._waiting.pop(image_id)
                answered = True
                yield Answer(path, outcome, time.perf_counter() - begin_s)
        except ServiceError as err:
            if not answered:
                raise
            yield from (Answer(path, err) for path in self._unanswered())

    def _images(self) -> Iterator[tuple[str, Path]]:
        for index, path in enumerate(iter_images(self._paths)):
            self._waiting[str(index)] = (path, time.perf_counter())
            self._begun = index + 1
            yield str(index), path

    def _unanswered(self) -> Iterator[Path]:
        # The thread that sends may still take one more image: what counts is fixed before the second look.
        waiting, begun = set(self._waiting), self._begun
        for index, path in enumerate(iter_images(self._paths)):
            if index >= begun or str(index) in waiting:
                yield path
