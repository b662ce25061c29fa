"""Everything that is counted and measured. Label values are bounded: callers cannot make new ones."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from trainer.jobs.operation import Step

REGISTRY = CollectorRegistry()

_LATENCIES_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_DURATIONS_S = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0)

REQUESTS = Counter(
    "braintumor_trainer_requests_total",
    "Calls that have ended, by method and gRPC status.",
    ["method", "code"],
    registry=REGISTRY,
)
REQUEST_DURATION = Histogram(
    "braintumor_trainer_request_duration_seconds",
    "Time from a call's arrival to its end.",
    ["method"],
    buckets=_LATENCIES_S,
    registry=REGISTRY,
)
JOBS_ENDED = Counter(
    "braintumor_trainer_jobs_ended_total",
    "Jobs that were worked on and have ended, by state, and ErrorInfo.reason of those that failed.",
    ["state", "reason"],
    registry=REGISTRY,
)
JOB_DURATION = Histogram(
    "braintumor_trainer_job_duration_seconds",
    "Time from a job's first start to its end.",
    ["state"],
    buckets=_DURATIONS_S,
    registry=REGISTRY,
)
STEP_DURATION = Histogram(
    "braintumor_trainer_step_duration_seconds",
    "Time of a job's step; that of the first one with the start of its process, that of the last one with the rollout.",
    ["step"],
    buckets=_DURATIONS_S,
    registry=REGISTRY,
)
GATE_DECISIONS = Counter(
    "braintumor_trainer_gate_decisions_total",
    "Versions that the gate blessed, refused, or refused in vain since the caller forced them.",
    ["outcome"],
    registry=REGISTRY,
)
ROLLOUTS = Counter(
    "braintumor_trainer_rollouts_total",
    "Moves of a label to a version: done, failed, or broken off by a caller who left or the end of the trainer.",
    ["outcome"],
    registry=REGISTRY,
)
CERTIFICATE_EXPIRY = Gauge(
    "braintumor_trainer_certificate_expiry_timestamp_seconds",
    "When a certificate ends that connections get, by its file: of callers, or to other processes.",
    ["certificate"],
    registry=REGISTRY,
)
FILES_UNUSABLE = Gauge(
    "braintumor_trainer_files_unusable",
    "Whether what files hold cannot be used, so that what they held before counts on.",
    ["files"],
    registry=REGISTRY,
)

# A count that is there from the start also shows its first step.
for _outcome in ("done", "failed", "broken_off"):
    ROLLOUTS.labels(_outcome)
for _outcome in ("blessed", "refused", "forced"):
    GATE_DECISIONS.labels(_outcome)
for _step in Step:
    STEP_DURATION.labels(_step)


def note_files(files: str, are_unusable: bool) -> None:
    """Notes of some files whether what they hold cannot be used, which happens where they change."""
    FILES_UNUSABLE.labels(files).set(are_unusable)


def note_expiry(certificate: str, expiry_s: float) -> None:
    """Notes when a certificate ends, in seconds since the epoch."""
    CERTIFICATE_EXPIRY.labels(certificate).set(expiry_s)
