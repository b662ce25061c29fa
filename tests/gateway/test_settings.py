"""Settings from the environment."""

import pytest
from pydantic import ValidationError

from gateway.settings import Settings
from transport.environment import description_of


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"GATEWAY_{name.upper()}", raising=False)
    monkeypatch.delenv("SERVING_ADDRESS", raising=False)
    monkeypatch.delenv("TRAINER_ADDRESS", raising=False)


def test_the_defaults_are_those_of_the_contract():
    settings = Settings()
    assert settings.address == "127.0.0.1:50051"
    assert settings.serving_address == "127.0.0.1:8500"
    assert settings.trainer_address == "127.0.0.1:50052"
    assert settings.max_image_bytes == 16 * 2**20
    assert settings.max_image_pixels == 40_000_000


def test_the_environment_sets_them(monkeypatch):
    monkeypatch.setenv("GATEWAY_ADDRESS", "0.0.0.0:1234")
    monkeypatch.setenv("GATEWAY_WORKERS", "3")
    monkeypatch.setenv("SERVING_ADDRESS", "dns:///serving:8500")
    settings = Settings()
    assert (settings.address, settings.workers) == ("0.0.0.0:1234", 3)
    assert settings.serving_address == "dns:///serving:8500"


def test_serving_may_be_several(monkeypatch):
    monkeypatch.setenv("SERVING_ADDRESS", "10.0.0.1:8500, 10.0.0.2:8500")
    assert Settings().serving_address == "10.0.0.1:8500, 10.0.0.2:8500"


@pytest.mark.parametrize(
    "fields",
    [
        {"workers": 0},
        {"address": "nowhere"},
        {"max_batch_size": 0},
        {"log_level": "LOUD"},
        {"typo": 1},
        {"serving_address": "a:1,,b:2"},
        {"max_deadline_s": 1e10},  # beyond gRPC's clock: each call would be late at once
        {"max_queued_images": 2**30},  # gRPC counts twice as many streams, in 32 bits
        {"max_image_pixels": 2**63},  # no number that GetServiceInfo could tell
    ],
)
def test_nonsense_is_refused(fields):
    with pytest.raises(ValidationError):
        Settings(**fields)


@pytest.mark.parametrize("fields", [{"address": "50051"}, {"address": ""}, {"metrics_address": "localhost"}])
def test_an_address_that_is_none_is_told_in_words(fields):
    with pytest.raises(ValidationError, match="is no host and port, such as"):
        Settings(**fields)


def test_they_cannot_be_changed():
    with pytest.raises(ValidationError):
        Settings().workers = 2


def test_every_field_is_described():
    assert all(field.description for field in Settings.model_fields.values())
    assert description_of(Settings).isascii()  # it is printed wherever somebody asks for it


def test_they_survive_the_way_to_a_worker_whatever_its_environment(monkeypatch):
    settings = Settings(address="127.0.0.1:1", serving_address="a:2", trainer_address="b:3", max_batch_size=7)
    written = settings.model_dump_json()
    monkeypatch.setenv("GATEWAY_ADDRESS", "other:1")
    monkeypatch.setenv("SERVING_ADDRESS", "other:2")
    assert Settings.model_validate_json(written) == settings
