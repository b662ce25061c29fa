"""CRC-32C (Castagnoli), fast enough in NumPy for megabytes.

Source: the polynomial 0x1EDC6F41 of RFC 3720, appendix B.4, bit-reversed.
"""

import numpy as np
import numpy.typing as npt

_POLYNOMIAL = 0x82F63B78
_SHORT = 512
"""Below this many bytes a plain loop is faster."""


def crc32c(data: bytes) -> int:
    """The checksum of some bytes."""
    if len(data) < _SHORT:
        crc = 0xFFFFFFFF
        for byte in data:
            crc = _TABLE_LIST[(crc ^ byte) & 0xFF] ^ (crc >> 8)
        return crc ^ 0xFFFFFFFF
    values = np.frombuffer(data, np.uint8).copy()
    values[:4] ^= 0xFF  # the same as starting with a register of all ones
    return _register(values) ^ 0xFFFFFFFF


def _register(values: npt.NDArray[np.uint8]) -> int:
    """The register after some bytes, from zero: computed in lanes side by side, which are then joined.

    The register is linear in what it held before. So 32 more lanes, which start with one bit each and see
    zeros only, tell what the bits of one lane become while the next lane passes.
    """
    lanes = int(len(values) ** 0.5)
    length = -(-len(values) // lanes)
    rows = np.zeros((lanes + 32, length), np.uint8)
    # Zeros in front leave a register of zero alone.
    rows[:lanes].reshape(-1)[lanes * length - len(values) :] = values
    crcs = np.zeros(lanes + 32, np.uint32)
    crcs[lanes:] = np.uint32(1) << np.arange(32, dtype=np.uint32)
    for column in np.ascontiguousarray(rows.T):
        crcs = _TABLE[(crcs ^ column) & 0xFF] ^ (crcs >> np.uint32(8))
    shifted_bits = crcs[lanes:].tolist()
    register = 0
    for lane in crcs[:lanes].tolist():
        for bit in range(register.bit_length()):
            if register >> bit & 1:
                lane ^= shifted_bits[bit]  # noqa: PLW2901 - the lane becomes the register
        register = lane
    return register


def _table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE_LIST = _table()
_TABLE = np.array(_TABLE_LIST, np.uint32)
