"""The wire format read by hand, against the messages that protobuf itself writes."""

from itertools import pairwise

import pytest

from segpp.runtime.onnx_reader.wire_format import fields, records

onnx = pytest.importorskip("onnx")


def message() -> bytes:
    """A message with varints, strings, repeated messages and floats of four bytes."""
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[2, 300], raw_data=b"\x01\x02")
    attribute = onnx.AttributeProto(name="alpha", f=0.5, type=onnx.AttributeProto.FLOAT, t=tensor)
    return bytes(attribute.SerializeToString())


def test_records_cover_every_byte_in_order() -> None:
    data = message()

    extents = [record.extent for record in records(data, (0, len(data)))]

    assert extents[0][0] == 0
    assert extents[-1][1] == len(data)
    assert all(end == start for (_, end), (start, _) in pairwise(extents))


def test_the_fields_are_those_of_protobuf() -> None:
    data = message()
    parsed = onnx.AttributeProto.FromString(data)

    numbers = sorted(record.field for record in records(data, (0, len(data))))
    bodies = {number: data[slice(*span)] for number, span in fields(data, (0, len(data)))}

    assert numbers == sorted(descriptor.number for descriptor, _ in parsed.ListFields())
    # name and t are the length-delimited ones of onnx.proto.
    assert bodies == {1: b"alpha", 5: parsed.t.SerializeToString()}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x0a\x05ab", "ends 3 bytes early"),
        (b"\x0d\x00", "ends 3 bytes early"),
        (b"\x08", "ends within a number"),
        (b"\x08\x80", "ends within a number"),
        (b"\x08" + b"\x80" * 11, "starts no protobuf number"),
        (b"\x0b", "is no protobuf field"),
    ],
    ids=["string", "float", "no value", "half a value", "long value", "group"],
)
def test_what_is_no_message_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        list(records(data, (0, len(data))))


def test_an_empty_message_has_no_fields() -> None:
    assert list(records(b"", (0, 0))) == []
