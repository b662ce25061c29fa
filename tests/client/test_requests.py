"""Images on their way into requests."""

import pytest
from braintumor.errors import ServiceError
from braintumor.requests import read_image


def test_an_image_may_be_as_large_as_the_limit():
    assert read_image(b"1234", max_bytes=4) == b"1234"
    with pytest.raises(ServiceError, match="5 bytes, the limit is 4"):
        read_image(b"12345", max_bytes=4)
