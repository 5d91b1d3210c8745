"""The repository is one by Triton's own schema, and says of the file what is in it."""

from pathlib import Path
from typing import Any

import onnx
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from segpp.export.serving.base import SERVERS, Served
from tests.export.serving.conftest import with_classes

SCHEMA = Path(__file__).parents[1] / "schemas" / "triton_model_config.binpb"


@pytest.fixture(scope="module")
def schema() -> Any:
    """The message ``ModelConfig`` of Triton's model_config.proto."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(SCHEMA.read_bytes()).file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("inference.ModelConfig"))


@pytest.fixture
def config(schema: Any, served: Served) -> Any:
    text = SERVERS["triton"].files(served)["street/config.pbtxt"].decode()
    return text_format.Parse(text, schema())


def test_the_configuration_is_one_by_tritons_schema(config: Any) -> None:
    assert config.name == "street"
    assert config.backend == "onnxruntime"
    assert config.max_batch_size == 0


def test_a_field_that_triton_does_not_know_would_be_found(schema: Any) -> None:
    with pytest.raises(text_format.ParseError, match="no field named"):
        text_format.Parse('bakend: "onnxruntime"', schema())


def test_inputs_and_outputs_are_those_of_the_file(config: Any, served: Served) -> None:
    types = {"FLOAT": "FP32", "INT8": "INT8"}
    for values, told in (
        (served.model.graph.input, config.input),
        (served.model.graph.output, config.output),
    ):
        expected = [
            (
                value.name,
                [dim.dim_value for dim in value.type.tensor_type.shape.dim],
                types[onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type)],
            )
            for value in values
        ]
        kinds = type(config).DESCRIPTOR.file.enum_types_by_name["DataType"].values_by_number
        found = [
            (one.name, list(one.dims), kinds[one.data_type].name.removeprefix("TYPE_"))
            for one in told
        ]
        assert found == expected


def test_the_network_is_the_export_byte_by_byte(served: Served) -> None:
    assert SERVERS["triton"].files(served)["street/1/model.onnx"] == served.data


def test_clients_are_told_how_to_make_the_input(config: Any, served: Served) -> None:
    told = {key: value.string_value for key, value in config.parameters.items()}

    assert told["segpp.mean"] == "120,115,100"
    assert told["segpp.std"] == "58,58,58"
    assert told["segpp.fit"] == served.manifest.input.fit
    assert told["segpp.classes"] == "19"


@pytest.mark.parametrize("name", ['a "b" \\', "a\nb", "a\r\tb\x01", "ä{}"])
def test_an_odd_name_stays_one(schema: Any, served: Served, name: str) -> None:
    odd = Served(name, served.model, served.data, served.manifest)

    [text] = [data for name, data in SERVERS["triton"].files(odd).items() if "pbtxt" in name]

    assert text_format.Parse(text.decode(), schema()).name == name
    assert b"\r" not in text


def test_a_class_takes_one_line(served: Served) -> None:
    odd = with_classes(served, "a\nb", "c\rd", "e\u2028f", "g\udcff")

    assert SERVERS["triton"].files(odd)["street/labels.txt"].decode().splitlines() == [
        "a\\x0ab",
        "c\\x0dd",
        "e\\u2028f",
        "g\\udcff",
        *served.manifest.classes.names[4:],
    ]
