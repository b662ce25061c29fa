"""Serving comes back with a certificate of another authority, whose file at the gateway has been replaced."""

from gateway.telemetry.metrics import REGISTRY
from transport.tls_settings import PeerTls


def _are_unusable(path):
    return REGISTRY.get_sample_value("braintumor_gateway_files_unusable", {"files": str(path)})


async def test_it_answers_without_a_restart(
    authority, server_credentials, start_serving, start_gateway, tmp_path, png, until
):
    """What answers stays meanwhile, whatever the file holds."""
    ours = authority(tmp_path, "ours")
    ca = ours.certificate
    async with (
        start_serving(credentials=server_credentials(ours.issue("serving"))) as serving,
        start_gateway(serving, serving_tls=PeerTls(ca=ca)) as gateway,
    ):
        ca.write_bytes(b"")
        await until(lambda: _are_unusable(ca) == 1)
        renewed = authority(tmp_path, "ours")
        await until(lambda: _are_unusable(ca) == 0)
        await gateway.predict(png(9))
        await serving.stop()
        serving.credentials = server_credentials(renewed.issue("serving"))
        await serving.start()
        await until(lambda: gateway.answering == [serving.address], 20)
        await until(gateway.is_serving, 20)
        await gateway.predict(png(9))
