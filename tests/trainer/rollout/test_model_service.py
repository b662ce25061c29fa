"""ModelService tells of versions and changes them, and its errors name what was wrong."""

import asyncio
import json

import grpc
import pytest
from braintumor.v1 import model_service_pb2 as pb2
from braintumor.v1.model_service_pb2_grpc import ModelServiceStub, add_ModelServiceServicer_to_server
from google.rpc import error_details_pb2, status_pb2

from trainer.audit import AuditInterceptor, AuditTrail
from trainer.call_interceptor import CallInterceptor
from trainer.rollout.files import RolloutFiles
from trainer.rollout.state import RolloutState
from trainer.services.models import ModelServicer


@pytest.fixture
def call(settings, play):
    """Makes calls of ModelService over a real socket, one after the other."""

    def call(scene):
        async def with_service(rollout, client):
            trail = AuditTrail(settings.audit_trail)
            server = grpc.aio.server(interceptors=[CallInterceptor(), AuditInterceptor(trail)])
            add_ModelServiceServicer_to_server(ModelServicer(rollout, client, settings), server)
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            try:
                async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                    return await scene(ModelServiceStub(channel))
            finally:
                await server.stop(None)

        return play(with_service)

    return call


async def _refusal(response) -> tuple[grpc.StatusCode, str, list[str]]:
    """Status, reason and blamed fields of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await response
    details = dict(raised.value.trailing_metadata())["grpc-status-details-bin"]
    info, blamed = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status_pb2.Status.FromString(details).details:
        detail.Unpack(info)
        detail.Unpack(blamed)
    return raised.value.code(), info.reason, [violation.field for violation in blamed.field_violations]


def test_versions_are_described_and_their_labels_moved(settings, add_version, serving, call) -> None:
    add_version(1)
    add_version(2, "rgb")
    RolloutFiles(settings).write(RolloutState(stable=1))
    serving.start()

    async def scene(stub):
        tried = (await stub.SetCanary(pb2.SetCanaryRequest(version=2, percent=12.5))).model_version
        listed = (await stub.ListModelVersions(pb2.ListModelVersionsRequest())).model_versions
        promoted = (await stub.PromoteModelVersion(pb2.PromoteModelVersionRequest(version=2))).model_version
        stable = (await stub.GetModelVersion(pb2.GetModelVersionRequest())).model_version
        back = (await stub.RollbackModel(pb2.RollbackModelRequest())).model_version
        ended = await stub.SetCanary(pb2.SetCanaryRequest())
        return tried, listed, promoted, stable, back, ended

    tried, listed, promoted, stable, back, ended = call(scene)

    assert (tried.version, list(tried.labels), tried.canary_percent) == (2, ["canary"], 12.5)
    assert [(version.version, list(version.labels)) for version in listed] == [(2, ["canary"]), (1, ["stable"])]
    assert {version.state for version in listed} == {pb2.MODEL_VERSION_STATE_AVAILABLE}
    assert (promoted.version, list(promoted.labels), promoted.canary_percent) == (2, ["stable"], 0)
    assert (stable.architecture, stable.parent_version, stable.data_fingerprint) == ("rgb", 1, "f00d")
    assert (stable.evaluation.accuracy, stable.evaluation.examples) == (0.75, 8)
    assert stable.create_time.ToJsonString() == "2026-01-02T03:04:05Z"
    assert json.loads(stable.model_card_json)["architecture"] == "rgb"
    assert not listed[0].model_card_json
    assert back.version == 1
    assert not ended.HasField("model_version")
    records = [json.loads(line) for line in settings.audit_trail.read_text().splitlines()]
    assert [(record["method"], record["response"]) for record in records if record["outcome"] == "OK"] == [
        ("SetCanary", {"model_version": 2}),
        ("PromoteModelVersion", {"model_version": 2}),
        ("RollbackModel", {"model_version": 1}),
        ("SetCanary", {}),
    ]


def test_lists_are_paged_without_a_serving(add_version, call) -> None:
    for version in range(1, 6):
        add_version(version)

    async def scene(stub):
        pages, token = [], ""
        while not pages or token:
            request = pb2.ListModelVersionsRequest(page_size=2, page_token=token)
            page = await stub.ListModelVersions(request)
            pages.append([version.version for version in page.model_versions])
            token = page.next_page_token
        return pages, page.model_versions[0].state

    assert call(scene) == ([[5, 4], [3, 2], [1]], pb2.MODEL_VERSION_STATE_UNSPECIFIED)


def test_a_version_without_a_readable_card_is_still_listed(add_version, call) -> None:
    (add_version(1) / "assets.extra/model_card.json").write_text("{")

    async def scene(stub):
        return await stub.GetModelVersion(pb2.GetModelVersionRequest(version=1))

    version = call(scene).model_version
    assert (version.version, list(version.labels), version.architecture) == (1, ["stable"], "")


def test_a_report_is_handed_out_as_it_lies_there(add_version, call) -> None:
    (add_version(1) / "assets.extra/report.html").write_bytes(b"<!doctype html>one")

    async def scene(stub):
        named = await stub.GetModelReport(pb2.GetModelReportRequest(version=1))
        return named, await stub.GetModelReport(pb2.GetModelReportRequest())

    named, stable = call(scene)
    assert (named.html, named.model_version) == (b"<!doctype html>one", 1)
    assert stable == named


def test_refusals_say_what_was_wrong(add_version, call) -> None:
    add_version(1)

    async def scene(stub):
        return [
            await _refusal(response)
            for response in (
                stub.GetModelVersion(pb2.GetModelVersionRequest(version=9)),
                stub.GetModelReport(pb2.GetModelReportRequest(version=9)),
                stub.GetModelReport(pb2.GetModelReportRequest(version=1)),
                stub.PromoteModelVersion(pb2.PromoteModelVersionRequest()),
                stub.RollbackModel(pb2.RollbackModelRequest()),
                stub.SetCanary(pb2.SetCanaryRequest(version=1, percent=10)),
                stub.SetCanary(pb2.SetCanaryRequest(version=1, percent=101)),
                stub.ListModelVersions(pb2.ListModelVersionsRequest(page_size=-1)),
                stub.ListModelVersions(pb2.ListModelVersionsRequest(page_token="x")),  # noqa: S106  no password
            )
        ]

    not_found, invalid = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT
    assert call(scene) == [
        (not_found, "MODEL_VERSION_NOT_FOUND", []),
        (not_found, "MODEL_VERSION_NOT_FOUND", []),
        (not_found, "MODEL_REPORT_NOT_FOUND", []),
        (not_found, "MODEL_VERSION_NOT_FOUND", []),
        (grpc.StatusCode.FAILED_PRECONDITION, "NO_PREVIOUS_VERSION", []),
        (invalid, "INVALID_REQUEST", ["version"]),
        (invalid, "INVALID_REQUEST", ["percent"]),
        (invalid, "INVALID_REQUEST", ["page_size"]),
        (invalid, "INVALID_REQUEST", ["page_token"]),
    ]


def test_a_caller_who_leaves_early_changes_nothing(settings, add_version, call) -> None:
    """Serving is away, so the promotion waits until the caller's deadline."""
    add_version(1)
    add_version(2)
    RolloutFiles(settings).write(RolloutState(stable=1))
    before = settings.models_config.read_text()

    async def scene(stub):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.PromoteModelVersion(pb2.PromoteModelVersionRequest(version=2), timeout=0.5)
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        async with asyncio.timeout(5):
            while settings.models_config.read_text() != before:  # noqa: ASYNC110  the server puts it back
                await asyncio.sleep(0.02)

    call(scene)
    assert RolloutFiles(settings).read() == RolloutState(stable=1)
