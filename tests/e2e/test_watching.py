"""The service is watched: pages of metrics, rules and dashboards about them, and traces across processes."""

import json
import re
import socket
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from braintumor.v1 import classifier_service_pb2, model_service_pb2, trainer_service_pb2
from braintumor.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from braintumor.v1.model_service_pb2_grpc import ModelServiceStub
from braintumor.v1.trainer_service_pb2_grpc import TrainerServiceStub
from google.longrunning import operations_pb2, operations_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

_MONITORING = Path(__file__).parents[2] / "serving/monitoring"
_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_METADATA = (("traceparent", f"00-{_TRACE}-00f067aa0ba902b7-01"), ("x-request-id", "watched"))
_AT_ONCE_S = 0.5  # a process takes longer to start, two lines of Python never
_PATIENCE_S = 120.0


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the spans that arrive, with the process that they come from."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []

    def Export(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802 gRPC passes both, and names it
        for resource in request.resource_spans:
            (service,) = [
                attribute.value.string_value
                for attribute in resource.resource.attributes
                if attribute.key == "service.name"
            ]
            self.spans += [(service, span) for scope in resource.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    def one(self, service: str, name: str) -> Any:
        (span,) = [span for process, span in self.spans if (process, span.name) == (service, name)]
        assert span.trace_id.hex() == _TRACE
        return span


class Watched:
    """What is seen of the service after some calls: pages by process, and traces."""

    def __init__(self) -> None:
        self.collector = Collector()
        self.pages: dict[str, str] = {}
        self.operation = operations_pb2.Operation()

    def value(self, sample: str) -> float:
        """Of one line of the pages."""
        (found,) = re.findall(rf"^{re.escape(sample)} (\S+)$", "\n".join(self.pages.values()), re.MULTILINE)
        return float(found)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _read(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


@pytest.fixture(scope="module")
def watched(
    start_service: Any, data_root: Path, shipped_version: Path, slices: list[bytes], eventually: Any
) -> Watched:
    """All three processes with a collector beside them: one call of each kind, and a job that fails, have ended."""
    watched = Watched()
    ports = {name: _free_port() for name in ("gateway", "trainer", "serving")}
    with ThreadPoolExecutor(4) as threads:
        receiver = grpc.server(threads)
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(watched.collector, receiver)
        endpoint = f"http://127.0.0.1:{receiver.add_insecure_port('127.0.0.1:0')}"
        receiver.start()
        flags = [
            "--port=0",
            "--model_name=brain_tumor",
            f"--model_base_path={shipped_version.parent}",
            f"--rest_api_port={ports['serving']}",
            f"--monitoring_config_file={_MONITORING.parent / 'monitoring.config'}",
        ]
        running = [start_service(["serving.modelserver", *flags])]
        try:
            common = {"SERVING_ADDRESS": running[0].address, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
            running.append(
                start_service(
                    ["trainer", "serve"],
                    common
                    | {
                        "DATA_ROOT": str(data_root),
                        "TRAINER_ADDRESS": "127.0.0.1:0",
                        "TRAINER_METRICS_ADDRESS": f"127.0.0.1:{ports['trainer']}",
                        "TRAINER_TRACE_RATIO": "0",
                    },
                )
            )
            running.append(
                start_service(
                    ["gateway"],
                    common
                    | {
                        "TRAINER_ADDRESS": running[1].address,
                        "GATEWAY_ADDRESS": "127.0.0.1:0",
                        "GATEWAY_METRICS_ADDRESS": f"127.0.0.1:{ports['gateway']}",
                        "GATEWAY_TRACE_RATIO": "0",
                        "GATEWAY_WORKERS": "2",
                    },
                )
            )
            _call(running[2].address, slices[0], watched)
            ended = 'braintumor_trainer_jobs_ended_total{reason="IMAGE_SOURCE_INVALID",state="failed"} 1.0'
            eventually(lambda: ended in _read(ports["trainer"], "/metrics"))
            watched.pages = {name: _read(ports[name], "/metrics") for name in ("gateway", "trainer")}
            watched.pages["serving"] = _read(ports["serving"], "/monitoring/prometheus/metrics")
        finally:
            for service in reversed(running):
                service.stop()
            receiver.stop(None)
    return watched


def _call(address: str, image: bytes, watched: Watched) -> None:
    with grpc.insecure_channel(address) as channel:
        request = classifier_service_pb2.PredictRequest(image=image)
        predict = ClassifierServiceStub(channel).Predict
        predict(request, wait_for_ready=True, timeout=30)
        predict(request, metadata=_METADATA)
        versions = model_service_pb2.ListModelVersionsRequest()
        ModelServiceStub(channel).ListModelVersions(versions, metadata=_METADATA)
        # There are no images among the models.
        order = trainer_service_pb2.RetrainRequest(
            image_dir="models", target_dir="raw", target_file="BrainTumor.csv", data_dir="processed", epochs=1
        )
        watched.operation = TrainerServiceStub(channel).Retrain(order, metadata=_METADATA)
        wait = operations_pb2.WaitOperationRequest(name=watched.operation.name)
        operations_pb2_grpc.OperationsStub(channel).WaitOperation(wait, timeout=_PATIENCE_S)


def _expressions() -> list[str]:
    groups = yaml.safe_load((_MONITORING / "alerts.yml").read_text())["groups"]
    rules = [rule["expr"] for group in groups for rule in group["rules"]]
    dashboards = [json.loads(path.read_text()) for path in (_MONITORING / "grafana/dashboards").glob("*.json")]
    panels = [panel for dashboard in dashboards for panel in dashboard["panels"]]
    return rules + [target["expr"] for panel in panels for target in panel.get("targets", [])]


def _names(expression: str) -> set[str]:
    """Metrics in a PromQL expression: neither in braces or quotes, nor called, nor listed for grouping."""
    bare = re.sub(r"\{[^}]*}|\[[^]]*]|\"[^\"]*\"", "", expression)
    bare = re.sub(r"\b(by|ignoring|on|group_left|without)\s*\([^)]*\)", "", bare)
    return {
        name
        for name in re.findall(r"(?<![\w:])[a-zA-Z_:][\w:]*(?!\w|\s*\()", bare)
        if name not in {"and", "or", "unless", "group_left", "sum", "max", "min", "e"}
        and not re.fullmatch(r"\d.*", name)
    }


def _exposed(page: str) -> set[str]:
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\w+)$", page, re.MULTILINE):
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names


def test_every_metric_of_rules_and_dashboards_is_exposed(watched: Watched) -> None:
    recorded = set(re.findall(r"- record: (\S+)", (_MONITORING / "alerts.yml").read_text()))
    exposed = set().union(*(_exposed(page) for page in watched.pages.values())) | recorded | {"up"}
    named = set().union(*(_names(expression) for expression in _expressions()))
    assert len(named) > 20
    assert named - exposed == set()


def test_every_metric_of_ours_has_its_process_in_its_name(watched: Watched) -> None:
    for process in ("gateway", "trainer"):
        names = _exposed(watched.pages[process])
        assert {name for name in names if not name.startswith(f"braintumor_{process}_")} == set()
        assert {name for name in names if re.search(r"_(ms|us|millis|percent)\b", name)} == set()


def test_a_job_that_fails_is_counted(watched: Watched) -> None:
    assert watched.value('braintumor_trainer_jobs{state="failed"}') == 1
    assert watched.value('braintumor_trainer_jobs_ended_total{reason="IMAGE_SOURCE_INVALID",state="failed"}') == 1
    assert watched.value('braintumor_trainer_job_duration_seconds_count{state="failed"}') == 1
    assert watched.value('braintumor_trainer_step_duration_seconds_count{step="build_dataset"}') == 1
    method = "braintumor.v1.TrainerService/Retrain"
    assert watched.value(f'braintumor_trainer_requests_total{{code="OK",method="{method}"}}') == 1
    assert watched.value(f'braintumor_gateway_requests_total{{code="OK",method="{method}",model_version=""}}') == 1


def test_a_forwarded_call_is_one_trace(watched: Watched) -> None:
    for method in ("braintumor.v1.ModelService/ListModelVersions", "braintumor.v1.TrainerService/Retrain"):
        outer = watched.collector.one("braintumor-gateway", method)
        inner = watched.collector.one("braintumor-trainer", method)
        assert outer.parent_span_id.hex() == "00f067aa0ba902b7"
        assert inner.parent_span_id == outer.span_id


def test_a_job_with_its_steps_is_part_of_the_trace_that_ordered_it(watched: Watched) -> None:
    ordered = watched.collector.one("braintumor-trainer", "braintumor.v1.TrainerService/Retrain")
    job = watched.collector.one("braintumor-trainer", "job")
    step = watched.collector.one("braintumor-trainer", "build_dataset")
    attributes = {attribute.key: attribute.value.string_value for attribute in job.attributes}
    assert job.parent_span_id == ordered.span_id
    assert step.parent_span_id == job.span_id
    assert attributes["operation_id"] == watched.operation.name.removeprefix("operations/")
    assert (attributes["state"], attributes["request_id"]) == ("failed", "watched")
    # Its process starts within the first step, and what makes the job fail does so within a step too.
    assert (step.start_time_unix_nano - job.start_time_unix_nano) / 1e9 < _AT_ONCE_S
    assert step.status == job.status
    assert step.status.message == "IMAGE_SOURCE_INVALID"


def test_calls_that_nobody_traces_leave_no_spans(watched: Watched) -> None:
    # The first Predict call came without a traceparent, and the ratio is 0.
    assert {span.trace_id.hex() for _, span in watched.collector.spans} == {_TRACE}


def test_everything_in_the_compose_file_is_scraped_where_it_listens() -> None:
    compose = yaml.safe_load((_MONITORING.parents[1] / "docker-compose.yml").read_text())["services"]
    jobs = {
        job["job_name"]: job for job in yaml.safe_load((_MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    }
    ports = {
        "gateway": compose["gateway"]["environment"]["GATEWAY_METRICS_ADDRESS"].rpartition(":")[2],
        "trainer": compose["trainer"]["environment"]["TRAINER_METRICS_ADDRESS"].rpartition(":")[2],
        "serving": re.search(r"--rest_api_port=(\d+)", str(compose["serving"]["command"]))[1],  # type: ignore[index]
    }
    scraped = {name: str(job["dns_sd_configs"][0]["port"]) for name, job in jobs.items()}
    assert scraped == ports
    assert all(job["dns_sd_configs"][0]["names"] == [name] for name, job in jobs.items())
    assert set(compose["prometheus"]["networks"]) & set(compose["gateway"]["networks"])
    for service in ("prometheus", "grafana"):
        for mount in compose[service]["volumes"]:
            source, _, rest = mount.partition(":")
            assert source == "prometheus" or ((_MONITORING.parents[1] / source).exists() and rest.endswith(":ro"))
