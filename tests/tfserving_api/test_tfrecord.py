"""TFRecord files are read and written to the bit, and damage is noticed."""

import pytest

from tfserving_api.tfrecord import TFRecordError, masked_crc32c, read_records, write_records


def test_what_was_written_is_read(tmp_path) -> None:
    records = [b"", b"one", bytes(5000)]
    write_records(tmp_path / "records", records)

    assert list(read_records(tmp_path / "records")) == records


def test_the_format_is_that_of_tensorflow(tmp_path) -> None:
    """These are the bytes of a file that tf.io.TFRecordWriter wrote."""
    write_records(tmp_path / "records", [b"abc"])

    assert (tmp_path / "records").read_bytes().hex() == "0300000000000000b099490e6162636e57f121"


@pytest.mark.parametrize("kept", [1, 11, 13, 16, 18])
def test_a_file_that_is_cut_off_is_noticed(tmp_path, kept) -> None:
    path = tmp_path / "records"
    write_records(path, [b"abc"])
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(TFRecordError, match="truncated"):
        list(read_records(path))


@pytest.mark.parametrize("at", range(19))
def test_a_flipped_bit_is_noticed(tmp_path, at) -> None:
    path = tmp_path / "records"
    write_records(path, [b"abc"])
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)

    with pytest.raises(TFRecordError):
        list(read_records(path))


def test_a_length_beyond_the_file_allocates_nothing(tmp_path) -> None:
    path = tmp_path / "records"
    length = (2**62).to_bytes(8, "little")
    path.write_bytes(length + masked_crc32c(length).to_bytes(4, "little"))

    with pytest.raises(TFRecordError, match="truncated"):
        list(read_records(path))
