"""Prints answers as they come, and keeps the explanations that they bring."""

from dataclasses import replace

from braintumor.cli.answer import Answer, json_line, text_line
from braintumor.cli.explanation import ExplanationFolder
from braintumor.cli.progress import ProgressBar
from braintumor.v1.classifier_service_pb2 import PredictResponse


class Printer:
    """Prints a line per image, on stdout; with text, failures go to stderr.

    Args:
      bar: shows the progress.
      as_json: JSON lines instead of text.
      with_path: whether a line of text begins with the image's path.
      explanations: where explanations go; None where none were asked for.
    """

    def __init__(
        self, bar: ProgressBar, *, as_json: bool, with_path: bool, explanations: ExplanationFolder | None
    ) -> None:
        self.failed = 0
        self._bar = bar
        self._as_json = as_json
        self._with_path = with_path
        self._explanations = explanations

    def show(self, answer: Answer) -> None:
        """Prints one answer.

        Raises:
          OSError: its explanation cannot be written, or stdout is closed.
        """
        verdict = isinstance(answer.outcome, PredictResponse)
        if self._explanations and isinstance(answer.outcome, PredictResponse):
            answer = replace(answer, explanation=self._explanations.save(answer.path, answer.outcome.explanation))
        self.failed += not verdict
        line = json_line(answer) if self._as_json else text_line(answer, with_path=self._with_path)
        self._bar.echo(line, err=not (verdict or self._as_json))
        self._bar.advance()
