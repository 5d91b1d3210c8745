"""A launch file for Isaac ROS: its image encoder, its TensorRT node and its mask decoder.

The decoder (``UNetDecoderNode``, which NVIDIA's own SegFormer graph uses too) takes labels as INT32
(B, H, W, 1), so the file here ends in them. Scores it takes from 0 up only, which logits are not.

Parameters: as the nodes of Isaac ROS 4.5 declare them, to which a test holds what is written.
"""

import json
from collections.abc import Iterator, Mapping
from textwrap import dedent

import numpy as np
from onnx import TensorProto, helper

from segpp import __version__
from segpp.errors import InputError
from segpp.export.serving.base import (
    SERVERS,
    RequestedFile,
    Served,
    check_for_tensorrt,
    check_output_kind,
)
from segpp.export.serving.graph import with_output

__all__ = ["IsaacRos"]

_OUTPUT = "labels_nhwc"
_RGB = 3
# The decoder's masks have a byte for each pixel.
_MOST_CLASSES = 256
_LARGEST_PIXEL = 255

_LAUNCH = '''\
    """Camera pictures to masks with Isaac ROS; written by segpp {version} for {name}.

        ros2 launch segpp.launch.py image:=/camera/image camera_info:=/camera/camera_info \\\\
            image_width:=1920 image_height:=1080

    Publishes /segpp/raw_segmentation_mask and /segpp/colored_segmentation_mask.
    """

    from pathlib import Path

    import yaml
    from launch import LaunchDescription
    from launch.actions import DeclareLaunchArgument
    from launch.substitutions import LaunchConfiguration
    from launch_ros.actions import ComposableNodeContainer
    from launch_ros.descriptions import ComposableNode

    HERE = Path(__file__).resolve().parent
    SETTINGS = yaml.safe_load((HERE / "params.yaml").read_text())


    def settings(node):
        return SETTINGS[node]["ros__parameters"]


    def generate_launch_description():
        image, camera_info = LaunchConfiguration("image"), LaunchConfiguration("camera_info")
        encoder = ComposableNode(
            name="dnn_image_encoder_node",
            package="isaac_ros_dnn_image_encoder",
            plugin="nvidia::isaac_ros::dnn_inference::DnnImageEncoderNode",
            parameters=[
                settings("dnn_image_encoder_node"),
                {{
                    "input_image_width": LaunchConfiguration("image_width"),
                    "input_image_height": LaunchConfiguration("image_height"),
                }},
            ],
            remappings=[("image", image), ("camera_info", camera_info), ("tensors", "tensor_pub")],
        )
        network = ComposableNode(
            name="tensor_rt_node",
            package="isaac_ros_tensor_rt",
            plugin="nvidia::isaac_ros::dnn_inference::TensorRTNode",
            parameters=[
                settings("tensor_rt_node"),
                {{
                    "model_file_path": str(HERE / "model.onnx"),
                    "engine_file_path": str(HERE / "model.plan"),
                }},
            ],
        )
        decoder = ComposableNode(
            name="unet_decoder_node",
            package="isaac_ros_unet",
            plugin="nvidia::isaac_ros::unet::UNetDecoderNode",
            parameters=[settings("unet_decoder_node")],
            remappings=[
                ("unet/raw_segmentation_mask", "segpp/raw_segmentation_mask"),
                ("unet/colored_segmentation_mask", "segpp/colored_segmentation_mask"),
            ],
        )
        container = ComposableNodeContainer(
            name="segpp_container",
            namespace="",
            package="rclcpp_components",
            executable="component_container_mt",
            composable_node_descriptions=[encoder, network, decoder],
            output="screen",
        )
        arguments = [
            DeclareLaunchArgument("image", default_value="/image"),
            DeclareLaunchArgument("camera_info", default_value="/camera_info"),
            DeclareLaunchArgument("image_width", default_value="1920"),
            DeclareLaunchArgument("image_height", default_value="1080"),
        ]
        return LaunchDescription([*arguments, container])
'''


class IsaacRos:
    """``segpp.launch.py``, ``params.yaml`` and a ``model.onnx`` that gives labels as INT32."""

    title = "Isaac ROS"

    def check(self, asked: RequestedFile) -> None:
        """Raise InputError for an input that the encoder cannot make, or without labels."""
        check_for_tensorrt(asked, server="isaac-ros")
        check_output_kind(
            asked,
            "labels",
            server="isaac-ros",
            because="its decoder takes labels, or scores from 0 up, which logits are not",
        )
        spec = asked.input
        if (spec.dtype, spec.layout, spec.channels) != ("float32", "NCHW", _RGB):
            raise InputError(
                f"`serve_for=isaac-ros` with an input of {spec.channels} channels, {spec.dtype} "
                f"{spec.layout}",
                "its encoder feeds normalised float32 NCHW of RGB",
                hint="leave `input_dtype` at float32",
            )
        if spec.batch != 1:
            raise InputError(f"`serve_for=isaac-ros` with `batch={spec.batch}`", "its nodes take 1")
        if spec.height % 2 or spec.width % 2:
            raise InputError(
                f"`serve_for=isaac-ros` with {spec.height}x{spec.width} pixels",
                "its decoder takes even sides only",
            )
        if asked.classes > _MOST_CLASSES:
            raise InputError(
                f"`serve_for=isaac-ros` with {asked.classes} classes",
                f"its masks hold {_MOST_CLASSES}",
            )
        if spec.fit == "crop":
            raise InputError(
                "`serve_for=isaac-ros` with `fit=crop`",
                "its encoder pads pictures, and does not cut them",
                hint="take `fit=letterbox` or `fit=stretch`",
            )

    def names(self, name: str) -> tuple[str, ...]:  # noqa: ARG002 - the folder has the name
        """Return the files of the folder."""
        return ("segpp.launch.py", "params.yaml", "model.onnx")

    def files(self, served: Served) -> dict[str, bytes]:
        """Return their contents."""
        launch = dedent(_LAUNCH).format(version=__version__, name=json.dumps(served.name)[1:-1])
        return {
            "segpp.launch.py": launch.encode(),
            "params.yaml": ("\n".join(_params(served)) + "\n").encode(),
            "model.onnx": _with_labels(served),
        }


def _with_labels(served: Served) -> bytes:
    [output] = (o for o in served.manifest.outputs if o.kind == "labels")
    spec = served.manifest.input
    shape = [spec.batch, spec.height, spec.width, 1]
    sides = helper.make_tensor("segpp_nhwc", TensorProto.INT64, [4], shape)
    nodes = [
        helper.make_node("Cast", [output.name], ["segpp_int32"], "Cast", to=TensorProto.INT32),
        helper.make_node("Constant", [], ["segpp_shape"], "Constant", value=sides),
        helper.make_node("Reshape", ["segpp_int32", "segpp_shape"], [_OUTPUT], "Reshape"),
    ]
    return with_output(served.model, nodes, _OUTPUT, TensorProto.INT32, shape)


def _params(served: Served) -> Iterator[str]:
    yield f"# Written by segpp {__version__} for {json.dumps(served.name)[1:-1]}."
    yield "# The encoder pads with black, half on either side; what a camera of the network's own"
    yield "# shape gives has no bars."
    for node, values in _settings(served).items():
        yield f"{node}:"
        yield "  ros__parameters:"
        # JSON's numbers, strings and lists are YAML's too.
        yield from (f"    {key}: {json.dumps(value)}" for key, value in values.items())


def _settings(served: Served) -> dict[str, Mapping[str, object]]:
    manifest = served.manifest
    spec, size = manifest.input, (manifest.input.height, manifest.input.width)
    height, width = size
    return {
        "dnn_image_encoder_node": {
            "network_image_width": width,
            "network_image_height": height,
            "input_encoding": "rgb8",
            "enable_padding": True,
            "image_mean": [_short(mean / _LARGEST_PIXEL) for mean in spec.mean],
            "image_stddev": [_short(std / _LARGEST_PIXEL) for std in spec.std],
            "tensor_name": "input_tensor",
        },
        "tensor_rt_node": {
            "input_tensor_names": ["input_tensor"],
            "input_binding_names": [spec.name],
            "input_tensor_formats": ["nitros_tensor_list_nchw_rgb_f32"],
            "output_tensor_names": ["output_tensor"],
            "output_binding_names": [_OUTPUT],
            "output_tensor_formats": ["nitros_tensor_list_nhwc_rgb_f32"],
            "enable_fp16": manifest.precision == "fp16",
            "force_engine_update": False,
            "verbose": False,
            "max_batch_size": 1,
        },
        "unet_decoder_node": {
            "network_output_type": "argmax",
            "color_segmentation_mask_encoding": "rgb8",
            "color_palette": [
                (red << 16) | (green << 8) | blue for red, green, blue in manifest.classes.palette
            ],
            "mask_width": width,
            "mask_height": height,
        },
    }


def _short(number: float) -> float:
    """Return the shortest number that is the same in single precision, which the encoder has."""
    return float(str(np.float32(number)))


SERVERS.register("isaac-ros")(IsaacRos())
