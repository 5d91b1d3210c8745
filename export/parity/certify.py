"""The certificate of an export: what PyTorch says of drawn pictures, and the file's own masks.

The bundled street is seen by the parity check as it is, unless its caller gave a picture of his
own, which a certificate never holds; what else there is costs one run of each side.
"""

from collections.abc import Sequence
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from segpp.certificate.archive import Probe
from segpp.certificate.labels import expected_labels, mask_output
from segpp.certificate.pictures import Picture, pictures_for
from segpp.certificate.prove import Proof, prove
from segpp.certificate.sealed import sealed
from segpp.export.images import ParityImage, drawn_parity_image
from segpp.export.parity import Seen
from segpp.images.postprocess import labels_from
from segpp.manifest import InputSpec, Manifest

__all__ = ["certify", "images_to_see"]

_REFERENCE = "FP32 PyTorch"


def images_to_see(judged: ParityImage, spec: InputSpec, fed: InputSpec) -> tuple[ParityImage, ...]:
    """Return the image of the parity check, then those of the certificate, none twice.

    Args:
        judged: The image of the parity check.
        spec: The input, with the mean and std of training.
        fed: The input as the file takes it.
    """
    pictures = pictures_for(spec.channels)
    drawn = [drawn_parity_image(picture, spec, fed=fed) for picture in pictures]
    # The bundled street is judged and certified in one run, unless there is another image to judge.
    return (judged, *(drawn[1:] if judged.sha256 == drawn[0].sha256 else drawn))


def certify(manifest: Manifest, seen: Sequence[Seen]) -> tuple[Manifest, bytes]:
    """Return a file's manifest with its certificate, and the bytes of the latter's file.

    Args:
        manifest: Of the file, complete but for the certificate.
        seen: What PyTorch and the file made of the images of ``images_to_see``.

    Raises:
        CheckError: Masks do not come back to the pixel.
    """
    pictures = pictures_for(manifest.input.channels)
    shown = seen[-len(pictures) :]
    margin = max(one.tie_margin for one in shown)
    pairs = list(zip(pictures, shown, strict=True))
    probes = [_probe(picture, one, manifest, margin) for picture, one in pairs]
    masks = [_mask(one, manifest, _size(picture)) for picture, one in pairs]
    proof = Proof(_REFERENCE, f"onnxruntime {onnxruntime.__version__} (cpu)", margin)
    return sealed(prove(manifest, probes, masks, proof), probes)


def _probe(picture: Picture, seen: Seen, manifest: Manifest, margin: float) -> Probe:
    expected = expected_labels(
        seen.expected[:1],
        mask_output(manifest.outputs),
        manifest.input,
        size=_size(picture),
        classes=len(manifest.classes.names),
        margin=margin,
    )
    return Probe(picture, expected)


def _mask(seen: Seen, manifest: Manifest, size: tuple[int, int]) -> NDArray[Any]:
    """Return the mask (H, W) that a session makes of what the file gave."""
    output = mask_output(manifest.outputs)
    raw = seen.outcome.labels if output.kind == "labels" else seen.outcome.logits
    [mask] = labels_from(raw[:1], output, [size], len(manifest.classes.names), manifest.input)
    return mask


def _size(picture: Picture) -> tuple[int, int]:
    return picture.pixels.shape[0], picture.pixels.shape[1]
