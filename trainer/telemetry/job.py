"""One job as it is seen from the daemon: its steps, their times, and how it ended."""

import time

from observability import tracing
from trainer.operation import Failure, Operation, Outcome, Progress, Result, State, Step
from trainer.telemetry import metrics


class ObservedJob:
    """A job from its start, or from being taken up again, to its end. A trace of it goes on that of its order."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        # Only what lies before this process is told by the clock on the wall, which may be put forward or back.
        now_s = time.time()
        self._begun = time.monotonic() - max(0.0, now_s - (operation.started_s or now_s))
        self._step: Step | None = None
        self._step_trace: tracing.Trace | None = None
        self._step_begun = 0.0
        origin = ((tracing.TRACEPARENT, operation.origin.traceparent),)
        self.trace = tracing.begin("job", origin)

    def progress(self, progress: Progress) -> None:
        """Sees how far it is."""
        if progress.step is not self._step:
            self._end_step()
            self._step, self._step_begun = progress.step, time.monotonic()
            if progress.step is not None:
                self._step_trace = tracing.child(progress.step, self.trace)

    def end(self, state: State, result: Result) -> None:
        """Sees its end."""
        self._end_step()
        metrics.JOB_DURATION.labels(state).observe(time.monotonic() - self._begun)
        reason = result.reason if isinstance(result, Failure) else ""
        metrics.JOBS_ENDED.labels(state, reason).inc()
        if isinstance(result, Outcome):
            metrics.GATE_DECISIONS.labels(_decision(result)).inc()
        attributes = {"operation_id": self._operation.operation_id, "request_id": self._operation.origin.request_id}
        tracing.end(self.trace, {**attributes, "state": state}, reason)

    def leave(self) -> None:
        """Ends what is recorded of a job that goes on at the daemon's next start."""
        tracing.end(self._step_trace, {})
        tracing.end(self.trace, {"operation_id": self._operation.operation_id, "state": "interrupted"})

    def _end_step(self) -> None:
        if self._step is not None:
            metrics.STEP_DURATION.labels(self._step).observe(time.monotonic() - self._step_begun)
            tracing.end(self._step_trace, {})
        self._step, self._step_trace = None, None


def _decision(outcome: Outcome) -> str:
    if outcome.blessed:
        return "blessed"
    return "forced" if outcome.version else "refused"
