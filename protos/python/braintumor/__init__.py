"""Client of the brain tumor classification service.

    import braintumor

    with braintumor.Client() as client:
        print(client.predict("slice.jpg").prediction)
        job = client.retrain(image_dir="raw/images", epochs=20)
        for job in client.watch(job.operation):
            print(job.metadata.progress)

The messages and the stubs themselves are in `braintumor.v1`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from braintumor.async_client import AsyncClient
    from braintumor.client import Client
    from braintumor.errors import ServiceError
    from braintumor.jobs import Job
    from braintumor.tls import channel_credentials

__all__ = ["AsyncClient", "Client", "Job", "ServiceError", "channel_credentials"]

_MODULES = {
    "AsyncClient": "braintumor.async_client",
    "Client": "braintumor.client",
    "Job": "braintumor.jobs",
    "ServiceError": "braintumor.errors",
    "channel_credentials": "braintumor.tls",
}


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first asked for: who needs the stubs alone loads no client."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
