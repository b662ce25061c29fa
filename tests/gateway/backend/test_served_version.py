"""What a version's signatures tell of its input."""

import pytest

from gateway.backend.served_version import ServedVersion, read_signatures
from gateway.errors import UnsupportedSignatureError
from gateway.imaging import InputSpec


def test_the_input_size_is_read_from_the_signature(fake_version):
    signatures = fake_version(height=240, width=200, channels=3).signatures()
    assert read_signatures(7, signatures) == ServedVersion(7, InputSpec(240, 200, 3), explains=True)


def test_a_version_may_have_no_explanation(fake_version):
    assert not read_signatures(1, fake_version(explains=False).signatures()).explains


@pytest.mark.parametrize(
    "fields", [{"dtype": 1}, {"height": -1}, {"channels": 2}], ids=["float input", "unknown height", "two channels"]
)
def test_an_input_that_is_no_image_is_not_supported(fake_version, fields):
    with pytest.raises(UnsupportedSignatureError, match="Version 3"):
        read_signatures(3, fake_version(**fields).signatures())


def test_an_input_of_single_images_is_not_supported(fake_version):
    signatures = fake_version().signatures()
    del signatures.signature_def["serving_default"].inputs["images"].tensor_shape.dim[0]
    with pytest.raises(UnsupportedSignatureError, match=r"Version 3 does not take \"images\" as uint8 \[N, H, W, C\]"):
        read_signatures(3, signatures)


@pytest.mark.parametrize("what", ["signature", "input"])
def test_a_version_without_the_serving_signature_is_not_supported(fake_version, what):
    signatures = fake_version().signatures()
    if what == "signature":
        del signatures.signature_def["serving_default"]
    else:
        del signatures.signature_def["serving_default"].inputs["images"]
    with pytest.raises(UnsupportedSignatureError, match='Version 1 has no signature "serving_default" of "images"'):
        read_signatures(1, signatures)
