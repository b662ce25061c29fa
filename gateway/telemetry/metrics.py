"""Everything that is counted and measured. Label values are bounded: callers cannot make new ones."""

from functools import cache

from braintumor.v1 import classifier_service_pb2
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway.errors import GatewayError, ServingBusyError, ServingUnavailableError

REGISTRY = CollectorRegistry()

_LATENCIES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)

REQUESTS = Counter(
    "braintumor_gateway_requests_total",
    "Calls that have ended, by method, gRPC status and the version that answered.",
    ["method", "code", "model_version"],
    registry=REGISTRY,
)
REQUEST_DURATION = Histogram(
    "braintumor_gateway_request_duration_seconds",
    "Time from a call's arrival to its end, but of those that were refused with RESOURCE_EXHAUSTED.",
    ["method"],
    buckets=_LATENCIES_S,
    registry=REGISTRY,
)
REQUESTS_IN_PROGRESS = Gauge(
    "braintumor_gateway_requests_in_progress",
    "Calls that have not ended.",
    ["method"],
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
ERRORS = Counter(
    "braintumor_gateway_errors_total",
    "Calls, and images of streams, that the gateway refused or failed, by ErrorInfo.reason.",
    ["reason"],
    registry=REGISTRY,
)
DECODE_DURATION = Histogram(
    "braintumor_gateway_decode_duration_seconds",
    "Time to read and resize an image, with the wait for a thread.",
    buckets=_LATENCIES_S,
    registry=REGISTRY,
)
QUEUE_DURATION = Histogram(
    "braintumor_gateway_queue_duration_seconds",
    "Time that an image waits for a batch.",
    buckets=_LATENCIES_S,
    registry=REGISTRY,
)
INFERENCE_DURATION = Histogram(
    "braintumor_gateway_inference_duration_seconds",
    "Time of a batch in serving.",
    buckets=_LATENCIES_S,
    registry=REGISTRY,
)
INFERENCES = Counter(
    "braintumor_gateway_inferences_total",
    "Batches sent to serving, by version and outcome: OK, CANCELLED where all callers have left, or an "
    "ErrorInfo.reason; as MODEL_FAILED also each image of a batch that is OK whose outputs are no verdict.",
    ["model_version", "outcome"],
    registry=REGISTRY,
)
BATCH_SIZE = Histogram(
    "braintumor_gateway_batch_size",
    "Images in a batch.",
    buckets=_BATCHES,
    registry=REGISTRY,
)
QUEUE_DEPTH = Gauge(
    "braintumor_gateway_queue_depth",
    "Images that wait for a batch.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
PREDICTIONS = Counter(
    "braintumor_gateway_predictions_total",
    "Verdicts, by version, label and reliability.",
    ["model_version", "label", "reliability"],
    registry=REGISTRY,
)
RETRIES = Counter(
    "braintumor_gateway_retries_total",
    "Calls to serving that were tried again, by ErrorInfo.reason.",
    ["reason"],
    registry=REGISTRY,
)
REPLICAS = Gauge(
    "braintumor_gateway_replicas",
    "Replicas of serving, by whether they answer.",
    ["state"],
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
BACKEND_READY = Gauge(
    "braintumor_gateway_backend_ready",
    "Whether serving has a version for calls that name none, and whether the trainer answers.",
    ["backend"],
    multiprocess_mode="livemin",
    registry=REGISTRY,
)
LAST_LOOK = Gauge(
    "braintumor_gateway_last_look_timestamp_seconds",
    "When serving was last looked at, each second; of several workers the one that was longest ago.",
    multiprocess_mode="livemin",
    registry=REGISTRY,
)
CERTIFICATE_EXPIRY = Gauge(
    "braintumor_gateway_certificate_expiry_timestamp_seconds",
    "When a certificate ends that connections get, by its file: of callers, or to other processes.",
    ["certificate"],
    multiprocess_mode="livemin",
    registry=REGISTRY,
)
FILES_UNUSABLE = Gauge(
    "braintumor_gateway_files_unusable",
    "Whether what files, or the URL of keys, hold cannot be used, so that what they held before counts on.",
    ["files"],
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
SERVED_VERSION = Gauge(
    "braintumor_gateway_served_version",
    "Version that a label leads to; 0 for none.",
    ["label"],
    multiprocess_mode="livemax",
    registry=REGISTRY,
)

# A count that is there from the start also shows its first step. These are what alerts and dashboard look at.
ERRORS.labels(GatewayError.reason)
for _error in GatewayError.__subclasses__():
    ERRORS.labels(_error.reason)
for _retried in (ServingUnavailableError, ServingBusyError):
    RETRIES.labels(_retried.reason)
for _method in classifier_service_pb2.DESCRIPTOR.services_by_name["ClassifierService"].methods:
    for _code in ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED"):
        REQUESTS.labels(f"{_method.containing_service.full_name}/{_method.name}", _code, "")


@cache
def predictions(version: int, label: str, reliability: str) -> Counter:
    """Returns the count of one kind of verdict; looking it up in PREDICTIONS takes longer than counting."""
    return PREDICTIONS.labels(version, label, reliability)


@cache
def inferences(version: int, outcome: str) -> Counter:
    """Returns the count of one outcome of a version."""
    return INFERENCES.labels(version, outcome)


def note_files(files: str, are_unusable: bool) -> None:
    """Notes of some files whether what they hold cannot be used, which happens where they change."""
    FILES_UNUSABLE.labels(files).set(are_unusable)


def note_expiry(certificate: str, expiry_s: float) -> None:
    """Notes when a certificate ends, in seconds since the epoch."""
    CERTIFICATE_EXPIRY.labels(certificate).set(expiry_s)
