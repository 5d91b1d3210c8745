"""The thread that reads a camera or a stream, and the one frame that it holds.

A source that is faster than the network would fill the memory or fall behind. Here a newer frame
replaces the one that nobody has taken yet, so what is taken is never older than one frame.
"""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

from segpp.errors import ImageError, SegppError
from segpp.images.channels import to_gray
from segpp.images.preprocess import ImageArray
from segpp.runtime.media.items import ImageItem, ImageName
from segpp.runtime.media.live.account import LiveAccount
from segpp.runtime.media.live.reader import LiveConfig, LivePicture, LiveReader

__all__ = ["Capture"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
# After an interruption a reader ends within that, or hangs in the driver of its device.
_PATIENCE = 2.0
# Frames in a row that make a source that came back one that is well again.
_WELL = 10


class Capture:
    """A camera or a stream that is being read; ``close`` it.

    Args:
        name: What the user calls it, for messages.
        open_reader: Opens it.
        config: How it is read.

    Attributes:
        account: What became of the frames.
        rate: Frames per second, as far as the source says.
        is_heard: Whether the source has sound, too.

    Raises:
        ImageError: It cannot be opened, or gives no first frame in time.
        MissingError: Something that reads it is not installed.
    """

    def __init__(
        self, name: str, open_reader: Callable[[], LiveReader], config: LiveConfig
    ) -> None:
        self._name, self._open, self._config = name, open_reader, config
        self.account = LiveAccount()
        self._changed = threading.Condition()
        self._newest: LivePicture | None = None
        self._came = 0
        self._failure: SegppError | None = None
        self._stopped = self._done = self._has_begun = False
        self._reader = open_reader()
        self.rate = self._reader.rate
        # Only what PyAV opens can have any.
        self.is_heard = bool(getattr(self._reader, "is_heard", False))
        # When the last frame came, or reading began; None while nothing is expected.
        self._heard: float | None = time.monotonic()
        # A driver may hang for ever, and must not keep the process from its end.
        self._thread = threading.Thread(target=self._run, name=f"read {name}", daemon=True)
        self._thread.start()
        self._wait_for_the_first()

    def items(self) -> Iterator[ImageItem]:
        """Yield the newest frame each time; at a break that stays, an item that raises it."""
        self.account.begin()
        config, start = self._config, time.monotonic()
        deadline = None if config.duration is None else start + config.duration
        with self._changed:
            if self._done and self._newest:
                # All of a short stream came while the network was loaded: its last frame is left.
                self.account.seen = 1
            else:
                self._newest = None
        first: float | None = None
        number = 0
        while picture := self._take(deadline):
            number += 1
            first = picture.captured if first is None else first
            since, named = picture.captured - first, f"frame-{number:06d}"
            yield ImageItem(
                ImageName(named, self._name, since, picture.captured),
                partial(_load, picture),
            )
        if self._failure:
            named = f"frame-{number + 1:06d}"
            yield ImageItem(ImageName(named, self._name), partial(_raise, self._failure))

    def stop(self) -> None:
        """End ``items``, from any thread; what was taken is still worth finishing."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._reader.interrupt()

    def close(self) -> None:
        """Stop, and wait until the device is given back."""
        self.stop()
        self._thread.join(_PATIENCE)

    def _wait_for_the_first(self) -> None:
        with self._changed:
            self._wait_while(lambda: not self._newest, None)
            failure, came = self._failure, self._newest
        # One that was over by now has its last frame, and its failure behind it.
        if not came:
            self.close()
            raise failure or ImageError(f"{self._name} ends before its first frame")

    def _take(self, deadline: float | None) -> LivePicture | None:
        """Return the newest frame once there is one; None at the end."""
        with self._changed:
            self._wait_while(lambda: not self._newest, deadline)
            is_over = self._stopped or (deadline is not None and time.monotonic() >= deadline)
            picture, self._newest = None if is_over else self._newest, None
            return picture

    def _wait_while(self, missing: Callable[[], bool], deadline: float | None) -> None:
        interrupted: float | None = None
        while missing() and not (self._stopped or self._done):
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                return
            if interrupted and now - interrupted > _PATIENCE:
                self._failure = self._silence("and its driver does not let go of it")
                self._stopped = True
                return
            if not interrupted and self._heard and now - self._heard > self._config.timeout:
                interrupted = now
                self._failure = self._silence()
                self._reader.interrupt()
            elif self._heard is None:
                interrupted = None
            self._changed.wait(0.1)

    def _silence(self, *facts: str) -> ImageError:
        return ImageError(f"{self._name} gave no frame for {self._config.timeout:g} s", *facts)

    def _run(self) -> None:
        """Read, and open again what broke off, until there is nothing more to try."""
        tries = 0
        while True:
            came, problem = self._read()
            tries = 1 if came >= _WELL else tries + 1
            # What never gave a frame is more likely to be misspelt than to come back.
            if self._stopped or not self._has_begun or tries > self._config.reconnect:
                self._judge_the_end(tries, problem)
                break
            pause = min(_FIRST_PAUSE * 2 ** (tries - 1), _LONGEST_PAUSE)
            self._config.after_break(f"{problem}; opened again in {pause:g} s")
            if self._paused(pause) or not self._reopen():
                break
        with self._changed:
            self._done = self.account.ended = True
            self._changed.notify_all()

    def _read(self) -> tuple[int, str]:
        """Read to the break; return how many frames came, and what ended it."""
        came = 0
        problem: SegppError | None = None
        try:
            for picture in self._reader.pictures():
                came += 1
                self._put(picture)
                if came == 1 and self.account.breaks:
                    self._config.after_break(f"{self._name} is back")
                if self._stopped:
                    break
        except SegppError as failure:
            problem = failure
        finally:
            with self._changed:
                self._heard = None
            self._reader.close()
        with self._changed:
            # A stall was found by whoever waited, and says more than what the interruption caused.
            self._failure = self._failure or problem
            cause = self._failure
        said = ": ".join([cause.problem, *cause.facts[:1]]) if cause else f"{self._name} ended"
        return came, said

    def _judge_the_end(self, tries: int, problem: str) -> None:
        """Note that a source stayed away which was to come back; elsewhere an end is an end."""
        with self._changed:
            if self._has_begun and not self._stopped and self._config.reconnect:
                # A source may also end at every try, in order and without a frame.
                self._failure = self._failure or ImageError(problem, f"{tries} times in a row")

    def _put(self, picture: LivePicture) -> None:
        with self._changed:
            self._has_begun = True
            self._heard, self._failure = picture.captured, None
            if self._is_wanted():
                self.account.seen += 1
                self.account.dropped += self._newest is not None
                self._newest = picture
                self._changed.notify_all()

    def _is_wanted(self) -> bool:
        self._came += 1
        return (self._came - 1) % self._config.every == 0

    def _paused(self, seconds: float) -> bool:
        """Wait; return whether it was stopped meanwhile."""
        with self._changed:
            return self._changed.wait_for(lambda: self._stopped, seconds)

    def _reopen(self) -> bool:
        """Open the source anew; where that fails, leave a reader that says why."""
        try:
            reader = self._open()
        except SegppError as failure:
            reader = _Failed(failure)
        else:
            self.account.breaks += 1
        with self._changed:
            self._reader, self._heard, self._failure = reader, time.monotonic(), None
            stopped = self._stopped
        if stopped:
            reader.close()
        return not stopped


class _Failed:
    """In place of a reader that could not be opened."""

    rate = None

    def __init__(self, failure: SegppError) -> None:
        self._failure = failure

    def pictures(self) -> Iterator[LivePicture]:
        raise self._failure

    def interrupt(self) -> None:
        pass

    def close(self) -> None:
        pass


def _load(picture: LivePicture, channels: int = 3) -> ImageArray:
    pixels = picture.pixels()
    return to_gray(pixels) if channels == 1 else pixels


def _raise(failure: SegppError, _channels: int = 3) -> ImageArray:
    raise failure
