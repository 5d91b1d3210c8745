"""The client of probe.cpp."""

import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

__all__ = ["Probe", "Refused"]


class Refused(Exception):  # noqa: N818 - what the runtime did
    """The runtime threw; ``code`` is the exit code that its error carries."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Probe(AbstractContextManager["Probe"]):
    """A running probe; ask it as often as you like."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __call__(self, *words: object, given: bytes = b"") -> bytes:
        """Return the answer to one command.

        Raises:
            Refused: It is an error.
        """
        line = " ".join(map(str, words)) + "\n"
        to, back = self._process.stdin, self._process.stdout
        if to is None or back is None:
            raise BrokenPipeError
        to.write(line.encode() + given)
        to.flush()
        *head, count = back.readline().decode().split()
        answer = back.read(int(count))
        if head:
            raise Refused(int(head[1]), answer.decode())
        return answer

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(f"the probe ended with {self._process.returncode}")
