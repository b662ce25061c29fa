"""ClassifierService: a real gateway on a fake serving."""

import io
import tomllib
from pathlib import Path

import grpc
import pytest
from braintumor.v1 import classifier_service_pb2 as pb2
from PIL import Image

_ROOT = Path(__file__).parents[3]


async def test_a_slice_gets_a_verdict(start_serving, start_gateway, png):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        response = await gateway.predict(png(204))
        assert response.model_name == "brain_tumor"
        assert response.model_version == 1
        assert response.prediction.label == "Tumor"
        assert response.prediction.probability == pytest.approx(0.8, abs=1e-3)  # One pixel differs from the others.
        assert response.prediction.reliability == pb2.RELIABLE
        assert response.prediction.ood_score == pytest.approx(8, abs=1e-2)
        assert not response.HasField("explanation")
        dark = (await gateway.predict(png(120))).prediction
        assert (dark.label, dark.reliability) == ("No Tumor", pb2.UNCERTAIN)


async def test_the_image_is_fitted_to_the_version_that_answers(start_serving, start_gateway, fake_version, png):
    versions = {1: fake_version(8, 8, 1), 2: fake_version(32, 24, 3), 3: fake_version(5, 5, 1)}
    labels = {"stable": 1, "canary": 2}
    async with start_serving(versions=versions, labels=labels) as serving, start_gateway(serving) as gateway:
        image = png(204, size=64)
        answers = [
            await gateway.predict(image, **selector)
            for selector in ({}, {"version_label": "canary"}, {"version": 3}, {"version_label": "stable"})
        ]
        assert [answer.model_version for answer in answers] == [1, 2, 3, 1]
        assert all(answer.prediction.probability == pytest.approx(0.8, abs=1e-2) for answer in answers)


async def test_colour_that_a_version_on_grey_cannot_see_is_out_of_domain(start_serving, start_gateway, fake_version):
    versions, file = {1: fake_version(channels=1), 2: fake_version(channels=3)}, io.BytesIO()
    Image.new("RGB", (8, 8), (255, 204, 102)).save(file, "PNG")
    changed = Image.open(file)
    changed.putpixel((7, 7), (0, 0, 0))  # a constant image is refused
    changed.save(coloured := io.BytesIO(), "PNG")
    async with start_serving(versions=versions) as serving, start_gateway(serving) as gateway:
        found = [
            (await gateway.predict(coloured.getvalue(), version=version)).prediction.reliability for version in versions
        ]
        assert found == [pb2.OUT_OF_DOMAIN, pb2.RELIABLE]


async def test_a_version_with_probabilities_alone_answers(start_serving, start_gateway, fake_version, png):
    versions = {1: fake_version(outputs=("probabilities",))}
    async with start_serving(versions=versions) as serving, start_gateway(serving) as gateway:
        prediction = (await gateway.predict(png(204))).prediction
        assert (prediction.label, prediction.reliability) == ("Tumor", pb2.UNCERTAIN)


async def test_a_verdict_can_be_explained(start_serving, start_gateway, png):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        response = await gateway.predict(png(204, size=40), explain=True)
        assert response.prediction.label == "Tumor"
        for picture, mode in [(response.explanation.heatmap_png, "L"), (response.explanation.overlay_png, "RGB")]:
            image = Image.open(io.BytesIO(picture))
            assert (image.format, image.mode, image.size) == ("PNG", mode, (40, 40))


async def test_heat_that_is_no_number_explains_nothing(start_serving, start_gateway, fake_version, png, failure_of):
    versions = {1: fake_version(heat=float("nan"))}
    async with start_serving(versions=versions) as serving, start_gateway(serving) as gateway:
        failure = await failure_of(gateway.predict(png(204), explain=True))
        assert (failure.code, failure.reason) == (grpc.StatusCode.INTERNAL, "MODEL_FAILED")
        assert (await gateway.predict(png(204))).prediction.label == "Tumor"


async def test_a_version_that_cannot_explain_says_so(start_serving, start_gateway, fake_version, png, failure_of):
    versions = {1: fake_version(explains=False)}
    async with start_serving(versions=versions) as serving, start_gateway(serving) as gateway:
        failure = await failure_of(gateway.predict(png(204), explain=True))
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNIMPLEMENTED, "EXPLANATION_UNAVAILABLE")


async def test_a_version_or_label_that_is_not_there_is_not_found(start_serving, start_gateway, png, failure_of):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        for selector, reason in [
            ({"version": 7}, "MODEL_VERSION_NOT_FOUND"),
            ({"version": 0}, "MODEL_VERSION_NOT_FOUND"),
            ({"version": -1}, "MODEL_VERSION_NOT_FOUND"),
            ({"version_label": "shadow"}, "VERSION_LABEL_NOT_FOUND"),
            ({"version_label": ""}, "VERSION_LABEL_NOT_FOUND"),
            ({"version_label": "x" * 20_000}, "VERSION_LABEL_NOT_FOUND"),
        ]:
            failure = await failure_of(gateway.predict(png(204), **selector))
            assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, reason)
            assert failure.retry_after_s is None


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"", "IMAGE_EMPTY"),
        (bytes(3000), "IMAGE_TOO_LARGE"),
        (b"no image at all", "UNSUPPORTED_FORMAT"),
    ],
    ids=["empty", "too large", "no image"],
)
async def test_a_bad_image_is_the_callers_error(start_serving, start_gateway, image, reason, failure_of):
    async with start_serving() as serving, start_gateway(serving, max_image_bytes=2000) as gateway:
        failure = await failure_of(gateway.predict(image))
        assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
        assert failure.field == "image"
        assert serving.batch_sizes == []


async def test_an_image_with_too_many_pixels_is_refused(start_serving, start_gateway, png, failure_of):
    async with start_serving() as serving, start_gateway(serving, max_image_pixels=100) as gateway:
        failure = await failure_of(gateway.predict(png(204, size=11)))
        assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
        assert failure.field == "image"


async def test_the_service_tells_about_itself(start_serving, start_gateway, fake_version):
    versions = {1: fake_version(), 2: fake_version(240, 200, 3)}
    labels = {"stable": 1, "canary": 2}
    async with start_serving(versions=versions, labels=labels) as serving, start_gateway(serving) as gateway:
        info = await gateway.classifier.GetServiceInfo(pb2.GetServiceInfoRequest())
        assert "not a medical device" in info.message.lower()
        assert info.documentation
        assert info.service_version == tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["version"]
        assert info.model_name == "brain_tumor"
        assert (info.limits.max_image_bytes, info.limits.max_image_pixels) == (16 * 2**20, 40_000_000)
        assert {"JPEG", "PNG", "TIFF"} < set(info.image_formats)
        assert list(info.served_versions) == [
            pb2.ServedVersion(label="stable", version=1, input_height=8, input_width=8, input_channels=1),
            pb2.ServedVersion(label="canary", version=2, input_height=240, input_width=200, input_channels=3),
        ]


async def test_it_tells_so_while_serving_is_away(start_serving, start_gateway):
    async with start_serving() as serving:
        pass
    async with start_gateway(serving, ready=False) as gateway:
        info = await gateway.classifier.GetServiceInfo(pb2.GetServiceInfoRequest())
        assert info.model_name == "brain_tumor"
        assert not info.served_versions
