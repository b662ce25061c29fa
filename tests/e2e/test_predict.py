"""One image from the caller to the verdict, through real processes."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import braintumor
import numpy as np
import psutil
import pytest
from braintumor.v1 import classifier_service_pb2
from google.protobuf.json_format import MessageToDict
from PIL import Image

from gateway.imaging import decode, preprocess
from trainer.evaluate import Candidate


def _saved(format_name: str, mode: str = "L", **options: Any) -> Callable[[Image.Image], bytes]:
    def save(picture: Image.Image) -> bytes:
        file = io.BytesIO()
        picture.convert(mode).save(file, format_name, **options)
        return file.getvalue()

    return save


def _sixteen_bit(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(picture).astype(np.uint16) * 257).save(file, "PNG")
    return file.getvalue()


_FORMATS = {
    "jpeg": _saved("JPEG", "RGB", quality=92),
    "progressive jpeg": _saved("JPEG", "RGB", progressive=True),
    "cmyk jpeg": _saved("JPEG", "CMYK"),
    "png": _saved("PNG"),
    "palette png": _saved("PNG", "P"),
    "alpha png": _saved("PNG", "RGBA"),
    "16-bit png": _sixteen_bit,
    "bmp": _saved("BMP"),
    "tiff": _saved("TIFF", compression="tiff_lzw"),
    "gif": _saved("GIF"),
    "webp": _saved("WEBP", "RGB", lossless=True),
}


@pytest.fixture(scope="module")
def client(gateway: Any) -> Any:
    """A client that waits for the gateway to find the model."""
    with braintumor.Client(gateway.address, timeout_s=60) as connected:
        yield connected


@pytest.fixture(scope="module")
def in_process(shipped_version: Path) -> Candidate:
    return Candidate(shipped_version)


def test_the_shipped_version_runs_on_the_faster_engine(shipped_version: Path) -> None:
    """It converts, and its answers are those of the training, within what serving tolerates."""
    flags = ("--port=0", "--model_name=brain_tumor", f"--model_base_path={shipped_version.parent}")
    with subprocess.Popen(
        [sys.executable, "-m", "serving.modelserver", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as serving:
        assert serving.stdout is not None
        said = next(line for line in serving.stdout if " runs on " in line)
        serving.terminate()
        serving.stdout.read()

    assert said.endswith(f"version: {shipped_version.name}}} runs on OpenVINO\n")


@pytest.mark.parametrize("name", _FORMATS)
def test_the_answer_is_the_models_own_for_every_format(
    client: Any, in_process: Candidate, shipped_version: Path, slices: list[bytes], name: str
) -> None:
    for content in slices[:4]:
        with Image.open(io.BytesIO(content)) as picture:
            image = _FORMATS[name](picture)
        expected = in_process.predict(preprocess(decode(image), in_process.input_spec)[None])

        answer = client.predict(image)

        assert answer.prediction.probability == pytest.approx(float(expected["probabilities"][0, 1]), abs=1e-4)
        assert (answer.prediction.label == "Tumor") == bool(expected["label"][0])
        assert answer.prediction.reliability == int(expected["reliability"][0])
        assert answer.prediction.ood_score == pytest.approx(float(expected["ood_score"][0]), rel=1e-3)
        assert (answer.model_name, answer.model_version) == ("brain_tumor", int(shipped_version.name))


def test_an_explanation_has_the_size_of_the_slice(client: Any, slices: list[bytes]) -> None:
    explanation = client.predict(slices[1], explain=True).explanation

    for png, mode in ((explanation.heatmap_png, "L"), (explanation.overlay_png, "RGB")):
        with Image.open(io.BytesIO(png)) as picture:
            assert (picture.format, picture.mode, picture.size) == ("PNG", mode, (240, 240))


def test_a_bad_image_is_the_callers_error(client: Any) -> None:
    with pytest.raises(braintumor.ServiceError) as caught:
        client.predict(b"no picture")

    assert caught.value.reason == "UNSUPPORTED_FORMAT"


def test_the_gateway_holds_no_tensorflow_and_stays_small(client: Any, gateway: Any, slices: list[bytes]) -> None:
    client.predict(slices[0])
    process = psutil.Process(gateway.process.pid)

    assert not [mapped.path for mapped in process.memory_maps() if "tensorflow" in mapped.path]
    assert process.memory_info().rss < 120 * 2**20


def test_the_command_answers_as_the_readme_says(
    gateway: Any, shipped_version: Path, slices: list[bytes], tmp_path: Path
) -> None:
    for number, content in enumerate(slices):
        (tmp_path / f"{number}.png").write_bytes(content)
    command = [str(Path(sys.executable).with_name("braintumor")), "predict", "--address", gateway.address]

    one = subprocess.run([*command, str(tmp_path / "1.png")], capture_output=True, text=True, timeout=60, check=True)
    many = subprocess.run([*command, str(tmp_path), "--json"], capture_output=True, text=True, timeout=60, check=True)

    assert one.stdout.startswith("Tumor 0.9")
    assert f"(model brain_tumor, version {shipped_version.name}, " in one.stdout
    lines = [json.loads(line) for line in many.stdout.splitlines()]
    assert len(lines) == len(slices)
    assert {line["prediction"]["class"] for line in lines} == {"Tumor", "No Tumor"}


def test_a_folder_of_large_pictures_has_a_verdict_for_each(gateway: Any, slices: list[bytes], tmp_path: Path) -> None:
    """More than the gateway has in work at a time."""
    with Image.open(io.BytesIO(slices[0])) as picture:
        picture.resize((2100, 2100)).save(tmp_path / "0.png", compress_level=1)
    for number in range(1, 24):
        (tmp_path / f"{number}.png").hardlink_to(tmp_path / "0.png")
    command = [str(Path(sys.executable).with_name("braintumor")), "predict", "--address", gateway.address]

    done = subprocess.run([*command, str(tmp_path), "--json"], capture_output=True, text=True, timeout=120, check=True)

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({line["path"] for line in lines if "prediction" in line}) == len(lines) == 24


@pytest.mark.parametrize(("options", "label"), [([], "No Tumor"), (["--lesion"], "Tumor")])
def test_the_slice_that_a_newcomer_draws_is_told_right(
    client: Any, tmp_path: Path, options: list[str], label: str
) -> None:
    path = tmp_path / "slice.png"
    subprocess.run([sys.executable, "-m", "trainer", "synthetic-slice", *options, str(path)], check=True)
    prediction = client.predict(path).prediction
    assert (prediction.label, prediction.reliability) == (label, classifier_service_pb2.RELIABLE)


def test_the_readme_shows_what_the_slice_that_it_draws_is_answered(client: Any, tmp_path: Path) -> None:
    path, readme = tmp_path / "slice.png", (Path(__file__).parents[2] / "README.md").read_text()
    subprocess.run([sys.executable, "-m", "trainer", "synthetic-slice", "--lesion", str(path)], check=True)
    answer = MessageToDict(client.predict(path))
    for name, digits in (("probability", 3), ("oodScore", 2)):
        answer["prediction"][name] = round(answer["prediction"][name], digits)
    shown = re.search(r"```json\n(.*?)```", readme, re.DOTALL)
    assert shown is not None
    assert json.loads(shown.group(1)) == answer
