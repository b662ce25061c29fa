"""`braintumor predict` as a process: what it prints where, and how it exits."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from braintumor.image_folder import IMAGE_SUFFIXES


def _write(folder: Path, **images: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, words in images.items():
        (folder / f"{name}.jpg").write_bytes(words)


def test_one_file_is_one_line(braintumor, tmp_path):
    _write(tmp_path, slice=b"tumor")
    done = braintumor("predict", "slice.jpg")
    assert re.fullmatch(r"Tumor 0\.973  \(model brain_tumor, version 1, \d+ ms\)\n", done.stdout)
    assert (done.stderr, done.returncode) == ("", 0)


def test_an_image_on_stdin_is_one_line(braintumor):
    done = braintumor("predict", "-", input="tumor")
    assert done.stdout.startswith("Tumor 0.973  (model ")
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("words", "line"),
    [(b"unsure", "No Tumor 0.412  UNCERTAIN  (model "), (b"strange", "Tumor 0.900  OUT_OF_DOMAIN  (model ")],
)
def test_a_verdict_not_to_rely_on_says_so(braintumor, tmp_path, words, line):
    _write(tmp_path, slice=words)
    assert braintumor("predict", "slice.jpg").stdout.startswith(line)


@pytest.mark.parametrize(
    ("words", "line"), [(b"obvious", "Tumor >0.999  (model "), (b"empty", "No Tumor <0.001  (model ")]
)
def test_no_probability_reads_as_certainty(braintumor, words, line):
    assert braintumor("predict", "-", input=words.decode()).stdout.startswith(line)


def test_several_files_have_their_paths_in_front(braintumor, tmp_path):
    _write(tmp_path, a=b"tumor", b=b"clean")
    done = braintumor("predict", "a.jpg", "b.jpg")
    assert {line.partition("  (")[0] for line in done.stdout.splitlines()} == {
        "a.jpg: Tumor 0.973",
        "b.jpg: No Tumor 0.012",
    }
    assert done.returncode == 0


def test_a_folder_is_a_line_of_json_per_image(braintumor, tmp_path, service):
    _write(tmp_path / "slices", a=b"tumor")
    _write(tmp_path / "slices" / "more", b=b"unsure")
    (tmp_path / "slices" / "C.TIFF").write_bytes(b"clean")
    (tmp_path / "slices" / "notes.txt").write_bytes(b"broken")
    done = braintumor("predict", "slices", "--json")
    records = {record.pop("path"): record for record in map(json.loads, done.stdout.splitlines())}
    assert records.keys() == {"slices/a.jpg", "slices/more/b.jpg", "slices/C.TIFF"}
    assert records["slices/more/b.jpg"] == {
        "prediction": {"class": "No Tumor", "probability": 0.4118, "reliability": "UNCERTAIN", "ood_score": 0.6},
        "model_name": "brain_tumor",
        "model_version": 1,
    }
    assert re.fullmatch(r"\[#+\] 3/3 images, .*\nfiles left out, .*: 1\n", done.stderr)
    assert done.returncode == 0
    assert len(service.requests) == 3


def test_tells_which_suffixes_are_those_of_images(braintumor, tmp_path, contract_dir):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "slice0001.dcm").write_bytes(b"tumor")
    done, helped = braintumor("predict", "export"), braintumor("predict", "--help")
    assert done.returncode == 2
    readmes = [contract_dir.joinpath(name).read_text() for name in ("README.md", "../README.md")]
    for text in (done.stderr, helped.stdout, *readmes):
        assert set(re.findall(r"\.[a-z]+", text)) >= IMAGE_SUFFIXES


def test_one_file_is_a_line_of_json(braintumor, tmp_path):
    _write(tmp_path, slice=b"tumor")
    done = braintumor("predict", "slice.jpg", "--json", "--version", "3")
    assert json.loads(done.stdout)["model_version"] == 3
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_a_failed_image_is_one_line_on_stderr(braintumor, tmp_path):
    _write(tmp_path, slice=b"broken")
    done = braintumor("predict", "slice.jpg")
    line = "slice.jpg: the bytes are no image; send JPEG or PNG (INVALID_ARGUMENT, UNSUPPORTED_FORMAT)\n"
    assert (done.stdout, done.stderr, done.returncode) == ("", line, 1)


def test_a_failed_image_is_its_own_line_of_json(braintumor, tmp_path):
    _write(tmp_path, a=b"tumor", b=b"broken")
    (tmp_path / "c.jpg").mkdir()
    done = braintumor("predict", "a.jpg", "b.jpg", "--json")
    records = {record["path"]: record for record in map(json.loads, done.stdout.splitlines())}
    assert records["a.jpg"]["prediction"]["class"] == "Tumor"
    assert records["b.jpg"] == {
        "path": "b.jpg",
        "error": {
            "code": "INVALID_ARGUMENT",
            "reason": "UNSUPPORTED_FORMAT",
            "message": "the bytes are no image; send JPEG or PNG",
        },
    }
    assert done.returncode == 1


def test_a_file_that_cannot_be_read_fails_alone(braintumor, tmp_path):
    _write(tmp_path / "slices", a=b"tumor")
    (tmp_path / "slices" / "b.jpg").symlink_to("nowhere.jpg")
    done = braintumor("predict", "slices", "--json")
    records = {record["path"]: record for record in map(json.loads, done.stdout.splitlines())}
    assert records["slices/a.jpg"]["prediction"]["class"] == "Tumor"
    assert records["slices/b.jpg"]["error"]["reason"] == "UNREADABLE_FILE"
    assert done.returncode == 1


def test_a_service_that_goes_away_for_a_moment_costs_no_image(braintumor, tmp_path, service):
    service.batch = 1
    _write(tmp_path / "slices", a=b"tumor", b=b"stumble", c=b"tumor")
    done = braintumor("predict", "slices", "--json")
    records = {record["path"]: record for record in map(json.loads, done.stdout.splitlines())}
    assert [records[f"slices/{name}.jpg"]["prediction"]["class"] for name in "abc"] == ["Tumor"] * 3
    assert (done.stdout.count("\n"), done.stderr.count("\n"), done.returncode) == (3, 1, 0)


def test_an_image_that_the_service_has_no_room_for_is_sent_once_more(braintumor, tmp_path):
    _write(tmp_path / "slices", a=b"tumor", b=b"queue", c=b"tumor")
    done = braintumor("predict", "slices", "--json")
    records = {record["path"]: record for record in map(json.loads, done.stdout.splitlines())}
    assert [records[f"slices/{name}.jpg"]["prediction"]["class"] for name in "abc"] == ["Tumor", "No Tumor", "Tumor"]
    assert (done.stdout.count("\n"), done.stderr.count("\n"), done.returncode) == (3, 1, 0)


def test_an_image_that_the_service_never_has_room_for_fails_alone(braintumor, tmp_path):
    _write(tmp_path / "slices", a=b"tumor", b=b"busy", c=b"tumor")
    done = braintumor("predict", "slices", "--json", "--timeout", "0.5")
    records = {record["path"]: record for record in map(json.loads, done.stdout.splitlines())}
    assert [records[f"slices/{name}.jpg"]["prediction"]["class"] for name in "ac"] == ["Tumor", "Tumor"]
    assert records["slices/b.jpg"]["error"]["reason"] == "SERVING_BUSY"
    assert (done.stdout.count("\n"), done.stderr.count("\n"), done.returncode) == (3, 1, 1)


def test_every_image_has_a_line_when_the_stream_breaks_for_good(braintumor, tmp_path, service):
    service.batch = 1
    _write(tmp_path / "slices", a=b"tumor", b=b"drop", c=b"tumor", d=b"tumor")
    done = braintumor("predict", "slices", "--json", "--timeout", "0.5")
    records = {record["path"]: record for record in map(json.loads, done.stdout.splitlines())}
    assert done.stdout.count("\n") == 4
    assert "prediction" in records["slices/a.jpg"]
    assert [records[f"slices/{name}.jpg"]["error"]["code"] for name in "bcd"] == ["UNAVAILABLE"] * 3
    assert done.stderr.splitlines()[1].startswith("Error: no answer from the service at ")
    assert done.returncode == 3


def test_explanations_keep_the_places_of_their_slices(braintumor, tmp_path):
    _write(tmp_path / "left", slice=b"tumor")
    _write(tmp_path / "right", slice=b"clean")
    done = braintumor("predict", "left", "right/slice.jpg", "--explain", "maps", "--json")
    records = {record["path"]: record for record in map(json.loads, done.stdout.splitlines())}
    assert records["left/slice.jpg"]["explanation"] == {
        "heatmap": "maps/left/slice.jpg.heatmap.png",
        "overlay": "maps/left/slice.jpg.overlay.png",
    }
    assert (tmp_path / "maps/right/slice.jpg.heatmap.png").read_bytes() == b"heatmap"
    assert (tmp_path / "maps/left/slice.jpg.overlay.png").read_bytes() == b"overlay"


def test_an_option_is_no_folder_of_explanations(braintumor):
    done = braintumor("predict", "-", "--explain", "--json")
    assert "'--explain': needs a folder to write into, and --json looks like an option\n" in done.stderr


def test_explanations_and_hidden_files_of_a_folder_are_no_images(braintumor, tmp_path, service):
    """Also where the first run wrote its explanations among the images of the second."""
    _write(tmp_path / "slices", a=b"tumor", **{"._a": b"broken"})
    _write(tmp_path / "slices" / ".thumbnails", a=b"broken")
    for _ in range(2):
        done = braintumor("predict", "slices", "--explain", "slices", "--json")
        assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == ["slices/a.jpg"]
        assert done.returncode == 0
    assert len(service.requests) == 2


def test_a_pipe_in_a_folder_is_no_image_and_a_name_is_one_line(braintumor, tmp_path):
    (tmp_path / "new\nline\x1b[31m.png").write_bytes(b"tumor")
    os.mkfifo(tmp_path / "pipe.png")
    done = braintumor("predict", ".")
    assert [line.partition(": Tumor")[0] for line in done.stdout.splitlines()] == ["new\\nline\\x1b[31m.png"]


def test_folders_behind_links_are_read_once(braintumor, tmp_path, service):
    _write(tmp_path / "slices", one=b"tumor")
    _write(tmp_path / "elsewhere", two=b"clean")
    (tmp_path / "slices/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "slices/again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "slices")
    assert braintumor("predict", "slices", "--json").returncode == 0
    assert len(service.requests) == 2


def test_explanations_and_hidden_files_are_images_where_they_are_named(braintumor, tmp_path):
    (tmp_path / ".a.jpg.heatmap.png").write_bytes(b"tumor")
    assert braintumor("predict", ".a.jpg.heatmap.png").returncode == 0


def test_an_explanation_that_cannot_be_written_is_one_line(braintumor, tmp_path):
    _write(tmp_path, slice=b"tumor")
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "slice.jpg.heatmap.png").mkdir()
    done = braintumor("predict", "slice.jpg", "--explain", "maps")
    assert (done.stdout, done.stderr.count("\n"), done.returncode) == ("", 1, 1)
    assert "Is a directory" in done.stderr


def test_asks_for_versions_and_labels(braintumor, tmp_path, service):
    _write(tmp_path, slice=b"tumor")
    braintumor("predict", "slice.jpg", "--version-label", "canary")
    assert service.requests[-1].version_label == "canary"


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict"],
        ["predict", "absent.jpg"],
        ["predict", "empty"],
        ["predict", "-", "slice.jpg"],
        ["predict", "slice.jpg", "--version", "0"],
        ["predict", "slice.jpg", "--version", "3", "--version-label", "canary"],
        ["predict", "slice.jpg", "--timeout", "0"],
        ["wait", "--timeout", "nan"],
        ["predict", "slice.jpg", "--token", "bt_…"],
        ["diagnose"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(braintumor, tmp_path, service, arguments):
    _write(tmp_path, slice=b"tumor")
    (tmp_path / "empty").mkdir()
    done = braintumor(*arguments)
    assert (done.stdout, done.returncode, service.calls) == ("", 2, 0)
    assert "Error: " in done.stderr


@pytest.mark.parametrize("arguments", [["info"], ["predict", "slice.jpg"], ["predict", ".", "--json"]], ids=" ".join)
def test_a_service_that_is_not_there_exits_with_3(braintumor, tmp_path, arguments):
    _write(tmp_path, slice=b"tumor")
    done = braintumor(*arguments, "--address", "127.0.0.1:1")
    assert (done.stdout, done.returncode) == ("", 3)
    assert re.fullmatch(r"Error: no answer from the service at 127\.0\.0\.1:1: .*\n", done.stderr)


@pytest.mark.parametrize("path", ["slice.jpg", "."])
def test_a_service_that_does_not_answer_in_time_exits_with_3(braintumor, tmp_path, path):
    _write(tmp_path, slice=b"hang")
    done = braintumor("predict", path, "--timeout", "0.5")
    assert (done.stdout, done.stderr.count("\n"), done.returncode) == ("", 1, 3)


def test_a_deadline_that_the_service_itself_reports_exits_with_3(braintumor, tmp_path):
    """It is a race who notices first that the time is over."""
    _write(tmp_path, slice=b"late")
    done = braintumor("predict", "slice.jpg", "--json")
    assert (done.stdout, done.stderr.count("\n"), done.returncode) == ("", 1, 3)
    assert done.stderr.endswith("(DEADLINE_EXCEEDED, DEADLINE_EXCEEDED)\n")


def test_a_reader_that_leaves_is_no_traceback(executable, environment, tmp_path):
    _write(tmp_path, **{f"slice{index}": b"tumor" for index in range(400)})
    with subprocess.Popen(
        [executable, "predict", str(tmp_path), "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        complaint = process.stderr.read()
        process.wait(60)
    assert "Traceback" not in complaint
    assert "Exception" not in complaint


def test_the_bar_is_redrawn_where_stderr_is_a_terminal(on_terminal, tmp_path):
    _write(tmp_path / "slices", **{f"slice{index}": b"tumor" for index in range(20)})
    _, output, drawn = on_terminal("predict", str(tmp_path / "slices"), "--json")
    assert len(output.splitlines()) == 20
    assert drawn.startswith("\r[")
    assert re.search(r"\r\[#+\] 20/20 images, .*\n$", drawn)
