"""One job as it is seen from the daemon: its steps, their times, and how it ended."""

import time

from observability import tracing
from trainer.jobs.operation import Failure, Operation, Outcome, Progress, Result, State, Step
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
        origin = ((tracing.TRACEPARENT, operation.origin.traceparent),)
        self.trace = tracing.begin("job", origin)
        # A job is in its first step before it says so: its process has to start.
        self._step_begun, self._step_begun_ns = time.monotonic(), time.time_ns()

    def progress(self, progress: Progress) -> None:
        """Sees how far it is."""
        if progress.step is not self._step:
            self._end_step()
            self._step = progress.step
            if progress.step is not None:
                self._step_trace = tracing.child(progress.step, self.trace, self._step_begun_ns)

    def end(self, state: State, result: Result) -> None:
        """Sees its end."""
        reason = result.reason if isinstance(result, Failure) else ""
        self._end_step(reason)
        metrics.JOB_DURATION.labels(state).observe(time.monotonic() - self._begun)
        metrics.JOBS_ENDED.labels(state, reason).inc()
        if isinstance(result, Outcome):
            metrics.GATE_DECISIONS.labels(_decision(result)).inc()
        attributes = {"operation_id": self._operation.operation_id, "request_id": self._operation.origin.request_id}
        tracing.end(self.trace, {**attributes, "state": state}, reason)

    def leave(self) -> None:
        """Ends what is recorded of a job that goes on at the daemon's next start."""
        tracing.end(self._step_trace, {})
        tracing.end(self.trace, {"operation_id": self._operation.operation_id, "state": "interrupted"})

    def _end_step(self, reason: str = "") -> None:
        if self._step is None:
            return
        now, now_ns = time.monotonic(), time.time_ns()
        metrics.STEP_DURATION.labels(self._step).observe(now - self._step_begun)
        tracing.end(self._step_trace, {}, reason)
        self._step, self._step_trace = None, None
        self._step_begun, self._step_begun_ns = now, now_ns


def _decision(outcome: Outcome) -> str:
    if outcome.blessed:
        return "blessed"
    return "forced" if outcome.version else "refused"
