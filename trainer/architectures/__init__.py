"""Architectures that can be trained: one file each, and a line here."""

from trainer.architectures import residual_cnn, seed_cnn
from trainer.architectures.architecture import Architecture
from trainer.errors import UnknownArchitectureError

__all__ = ["ARCHITECTURES", "DEFAULT_ARCHITECTURE", "Architecture", "architecture_named"]

ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        residual_cnn.ARCHITECTURE,
        seed_cnn.ARCHITECTURE,
    )
}

DEFAULT_ARCHITECTURE = residual_cnn.ARCHITECTURE.name


def architecture_named(name: str) -> Architecture:
    """Looks an architecture up; the empty name is the default one. Raises UnknownArchitectureError."""
    try:
        return ARCHITECTURES[name or DEFAULT_ARCHITECTURE]
    except KeyError as err:
        raise UnknownArchitectureError(f"architecture {name!r} is none of: {', '.join(ARCHITECTURES)}") from err
