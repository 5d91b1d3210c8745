"""Faults that somebody could make in the kernels, each a change of one place in their source.

The suite that does not notice one of them lacks a test.
"""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["FAULTS", "PLUGINS", "Fault"]

PLUGINS = Path(__file__).resolve().parents[3] / "trt_plugins"
TESTS = "tests/trt_plugins/kernels/test_{}_kernel.py"


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: What is wrong then.
        file: Below trt_plugins/.
        right: What stands there, once.
        wrong: What stands there then.
    """

    name: str
    file: str
    right: str
    wrong: str

    @property
    def tests(self) -> str:
        """The tests of the kernel."""
        return TESTS.format(Path(self.file).parts[0])

    def put_into(self, folder: Path) -> None:
        """Change a copy of trt_plugins/.

        Raises:
            ValueError: The place is not there, or not the only one.
        """
        path = folder / self.file
        text = path.read_text(encoding="utf-8")
        if (count := text.count(self.right)) != 1:
            raise ValueError(f"{self.name}: {self.file} has {self.right!r} {count} times")
        path.write_text(text.replace(self.right, self.wrong), encoding="utf-8")


FAULTS: tuple[Fault, ...] = ()
