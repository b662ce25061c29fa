"""The commands about jobs that are there and versions as processes: what they print where, and how they exit."""

import json

import pytest
from braintumor.v1 import model_service_pb2 as models_pb
from braintumor.v1 import trainer_service_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

CREATED = Timestamp(seconds=1_795_442_400)
EVALUATION = pb.Evaluation(examples=489, accuracy=0.982, auc=0.996, sensitivity=0.988, specificity=0.975)
CARD = {
    "architecture": "residual_cnn",
    "verdict": {"temperature": 0.8635},
    "limits": ["one", "two"],
    "gate": {"blessed": True, "forced": False},
    "parent_version": None,
}


@pytest.fixture
def versions(trainer):
    trainer.versions = [
        models_pb.ModelVersion(version=9),
        models_pb.ModelVersion(
            version=8,
            state="MODEL_VERSION_STATE_AVAILABLE",
            labels=["canary"],
            canary_percent=12.5,
            evaluation=EVALUATION,
            architecture="seed_cnn",
            create_time=CREATED,
        ),
        models_pb.ModelVersion(
            version=7,
            state="MODEL_VERSION_STATE_AVAILABLE",
            labels=["stable"],
            evaluation=EVALUATION,
            architecture="residual_cnn",
            create_time=CREATED,
            model_card_json=json.dumps(CARD),
        ),
    ]


@pytest.fixture
def jobs(trainer):
    running = {"state": "RETRAIN_STATE_RUNNING", "step": "RETRAIN_STEP_TRAIN", "epoch": 8, "epochs": 20}
    trainer.job("operations/c", create_time=CREATED, progress=0.42, **running)
    trainer.job("operations/b", error=(8, "DISK_FULL", "no space"), state="RETRAIN_STATE_FAILED", create_time=CREATED)
    refused = pb.RetrainResponse(reasons=["too bad"])
    trainer.job("operations/a", response=refused, state="RETRAIN_STATE_SUCCEEDED", create_time=CREATED)


@pytest.mark.usefixtures("jobs")
def test_jobs_are_a_table(braintumor):
    done = braintumor("jobs")
    assert done.stdout.splitlines() == [
        "OPERATION     STATE      CREATED           HOW FAR",
        "operations/c  running    2026-11-23 14:00  42 % epoch 8/20",
        "operations/b  failed     2026-11-23 14:00  no space (RESOURCE_EXHAUSTED, DISK_FULL)",
        "operations/a  succeeded  2026-11-23 14:00  refused by the gate",
    ]
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.usefixtures("jobs")
def test_jobs_that_have_ended_can_be_left_out(braintumor):
    assert braintumor("jobs", "--running").stdout.count("\n") == 2


@pytest.mark.usefixtures("jobs")
def test_jobs_are_lines_of_json(braintumor):
    records = [json.loads(line) for line in braintumor("jobs", "--json").stdout.splitlines()]
    assert [record["operation"] for record in records] == ["operations/c", "operations/b", "operations/a"]
    assert records[0]["create_time"] == "2026-11-23T14:00:00Z"
    assert records[1]["error"] == {"code": "RESOURCE_EXHAUSTED", "reason": "DISK_FULL", "message": "no space"}


def test_a_service_without_jobs_has_an_empty_table(braintumor):
    assert braintumor("jobs").stdout.count("\n") == 1
    assert braintumor("jobs", "--json").stdout == ""


@pytest.mark.usefixtures("jobs")
def test_a_job_is_cancelled(braintumor):
    done = braintumor("cancel", "c")
    assert (done.stdout, done.stderr, done.returncode) == ("operations/c is cancelled\n", "", 0)


@pytest.mark.usefixtures("jobs")
def test_a_job_that_had_ended_before_is_not_cancelled(braintumor):
    done = braintumor("cancel", "operations/a")
    message = "Error: operations/a had ended before: succeeded, refused by the gate\n"
    assert (done.stdout, done.stderr, done.returncode) == ("", message, 1)


@pytest.mark.usefixtures("jobs")
def test_a_job_is_forgotten(braintumor, trainer):
    assert braintumor("delete", "operations/a").returncode == 0
    assert "operations/a" not in trainer.jobs
    assert braintumor("delete", "operations/a").returncode == 1


@pytest.mark.usefixtures("versions")
def test_versions_are_a_table(braintumor):
    done = braintumor("versions")
    assert done.stdout.splitlines() == [
        "VERSION  LABELS         IN SERVING  ARCHITECTURE  ACCURACY  AUC    CREATED",
        "9        -              -           -             -         -      -",
        "8        canary 12.5 %  available   seed_cnn      0.982     0.996  2026-11-23 14:00",
        "7        stable         available   residual_cnn  0.982     0.996  2026-11-23 14:00",
    ]
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.usefixtures("versions")
def test_versions_are_lines_of_json(braintumor):
    records = [json.loads(line) for line in braintumor("versions", "--json").stdout.splitlines()]
    assert [record["version"] for record in records] == [9, 8, 7]
    assert records[1]["labels"] == ["canary"]
    assert records[1]["evaluation"]["auc"] == 0.996
    assert "evaluation" not in records[0]


@pytest.mark.parametrize("state", ["MODEL_VERSION_STATE_UNSPECIFIED", "MODEL_VERSION_STATE_END"])
def test_a_version_that_serving_does_not_hold_is_not_in_serving(braintumor, trainer, state):
    trainer.versions = [models_pb.ModelVersion(version=4, state=state)]
    assert braintumor("version", "4").stdout == "version 4, not in serving\n"
    assert braintumor("versions").stdout.splitlines()[1].split() == ["4", *"------"]


@pytest.mark.usefixtures("versions")
def test_a_version_shows_its_card(braintumor):
    assert braintumor("version", "7").stdout.splitlines() == [
        "version 7, stable, available in serving",
        "on its test split: accuracy 0.982, AUC 0.996, sensitivity 0.988, specificity 0.975, 489 slices",
        "architecture  residual_cnn",
        "verdict",
        "  temperature  0.8635",
        "limits",
        "  -  one",
        "  -  two",
        "gate",
        "  blessed  yes",
        "  forced  no",
        "parent_version  -",
    ]


@pytest.mark.usefixtures("versions")
def test_a_version_shows_its_card_as_json(braintumor):
    record = json.loads(braintumor("version", "7", "--json").stdout)
    assert (record["version"], record["model_card"]) == (7, CARD)
    assert json.loads(braintumor("version", "--json").stdout)["model_card"] is None


@pytest.mark.usefixtures("versions")
def test_a_report_is_saved(braintumor, tmp_path):
    path = tmp_path / "mine.html"
    done = braintumor("report", "7", "--output", str(path))
    assert (done.stdout, done.stderr, done.returncode) == (f"saved {path}\n", "", 0)
    assert path.read_text() == "<!doctype html><title>version 7</title>"


@pytest.mark.usefixtures("versions")
def test_a_report_goes_into_a_file_of_its_version(braintumor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert braintumor("report", "7").stdout == "saved report-7.html\n"
    assert (tmp_path / "report-7.html").exists()


@pytest.mark.usefixtures("versions")
def test_a_report_that_is_not_there_or_cannot_be_written_exits_with_1(braintumor, tmp_path):
    absent = braintumor("report", "3", "--output", str(tmp_path / "absent.html"))
    assert absent.stderr.endswith("(NOT_FOUND, MODEL_REPORT_NOT_FOUND)\n")
    assert not list(tmp_path.iterdir())
    unwritten = braintumor("report", "7", "--output", str(tmp_path / "no/such/folder.html"))
    assert "No such file or directory" in unwritten.stderr
    assert (absent.returncode, unwritten.returncode) == (1, 1)


@pytest.mark.usefixtures("versions")
def test_labels_are_moved(braintumor, trainer):
    assert braintumor("promote", "8").stdout == "version 8 is the stable one now\n"
    assert braintumor("rollback").stdout == "version 7 is the stable one now\n"
    told = braintumor("canary", "8", "--percent", "12.5").stdout
    assert told == "version 8 gets 12.5 % of the calls that name no version\n"
    assert braintumor("canary", "--percent", "0").stdout == "there is no canary now\n"
    assert trainer.calls == ["PromoteModelVersion", "RollbackModel", "SetCanary", "SetCanary"]


def test_a_version_is_measured(braintumor):
    done = braintumor("evaluate", "3")
    assert done.stdout.startswith("version 3: accuracy 0.980, AUC 0.996, ")
    assert "   Tumor      0.970\n" in done.stdout
    assert "fitted to" not in done.stdout
    assert json.loads(braintumor("evaluate", "--json").stdout)["evaluation"]["examples"] == 489


def test_a_version_that_knows_slices_it_is_measured_on_says_so(braintumor, trainer):
    trainer.seen_in_training = 11
    told = braintumor("evaluate", "3").stdout.splitlines()[1]
    assert told == "version 3 was fitted to 11 of these 489 slices, which flatters it"
    assert json.loads(braintumor("evaluate", "3", "--json").stdout)["seen_in_training"] == 11


@pytest.mark.parametrize("arguments", [["jobs"], ["retrain"], ["rollback"], ["versions"]], ids=" ".join)
def test_a_service_that_is_not_there_exits_with_3(braintumor, arguments):
    done = braintumor(*arguments, "--address", "127.0.0.1:1")
    assert (done.stdout, done.returncode) == ("", 3)
    assert done.stderr.splitlines()[-1].startswith("Error: no answer from the service at 127.0.0.1:1: ")
