"""What a manifest says of its file's truth: parity with PyTorch, and its certificate."""

from segpp.inspection.report import Section, facts
from segpp.manifest import Manifest, ProbeResult

__all__ = ["proof_sections"]


def proof_sections(manifest: Manifest) -> tuple[Section, Section]:
    """Return a section on each."""
    return _parity(manifest), _certificate(manifest)


def _parity(manifest: Manifest) -> Section:
    parity = manifest.parity
    if parity is None and manifest.calibration:
        # An INT8 file is compared with the float one, which was.
        return Section("parity with PyTorch", "")
    if parity is None:
        # An engine is built of a file, and held to the file's certificate.
        elsewhere = "not of an engine; the manifest of its ONNX file tells"
        measured = elsewhere if manifest.kind == "engine" else "no"
        return facts("parity with PyTorch", {"measured": measured})
    # Of BF16 no library runs the file itself on every CPU: the number is of the rounded copy.
    bf16 = manifest.precision == "bf16"
    told = {
        "image": parity.image,
        "pixels that agree": f"{parity.pixel_agreement:.5f} "
        f"{'with every value rounded to BF16 ' if bf16 else ''}"
        f"(at least {parity.min_agreement:g} was asked for)",
    }
    if parity.agreement_rounded is not None and not bf16:
        told["with every half rounded"] = f"{parity.agreement_rounded:.5f}"
    if parity.max_logit_difference is not None:
        told["largest logit difference"] = (
            f"{parity.max_logit_difference:.2g} (allowed {parity.tolerance:.2g})"
        )
    return facts("parity with PyTorch", told)


def _certificate(manifest: Manifest) -> Section:
    proof = manifest.certificate
    if proof is None:
        return facts("certificate", {"none": "nothing to prove it again with"})
    pictures = {
        f"{one.name}, {one.size[0]}x{one.size[1]}": f"{_reached(one)} (at least "
        f"{one.min_agreement:g} anywhere), {one.classes} classes, {one.ties:,} ties"
        for one in proof.probes
    }
    return facts(
        "certificate: pixels with the reference's class",
        {
            **pictures,
            "reference": proof.reference,
            "run by": proof.ran_with or "nothing yet: the first session proves it",
            "masks to the pixel": ", ".join(dict.fromkeys(t.fit for t in proof.round_trips)),
        },
    )


def _reached(one: ProbeResult) -> str:
    return "not run" if one.agreement is None else f"{one.agreement:.5f}"
