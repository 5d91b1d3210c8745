"""What browsers see: the newest picture, drawn when one of them wants it, and the numbers to it.

The loop only leaves a reference here. Drawing and JPEG happen in a browser's own thread, once for
all of them, so that neither many nor slow ones hold the loop up.
"""

import io
import threading
from dataclasses import dataclass, field, replace

from PIL import Image

from segpp.runtime.inference.predict import Prediction
from segpp.runtime.media.live.account import LiveAccount
from segpp.runtime.media.looks.base import LOOKS, RenderConfig, Segmented

__all__ = ["LiveView"]

# A picture of more pixels is made smaller: for a screen, and for a network.
_SIDE = 1280
_QUALITY = 80


@dataclass
class LiveView:
    """The newest result of a run.

    Args:
        title: What the page is called.
        live: The account of a camera or a stream; None for what is stored, which is counted here.
        render: What the pictures look like, once the network has told its classes; the page has
            the legend.
    """

    title: str
    live: LiveAccount | None = None
    render: RenderConfig | None = None
    _own: LiveAccount = field(default_factory=LiveAccount)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _drawing: threading.Lock = field(default_factory=threading.Lock)
    _newest: Segmented | None = None
    _number: int = 0
    _prediction: Prediction | None = None
    _jpeg: tuple[int, bytes] = (0, b"")
    _is_over: bool = False

    def show(self, shown: Segmented) -> None:
        """Make a picture the newest; the one before is forgotten."""
        with self._changed:
            self._newest = shown
            self._number += 1
            self._changed.notify_all()

    def tell(self, prediction: Prediction) -> None:
        """Make the numbers of a picture the newest."""
        self._prediction = prediction
        if self.live is None:
            self._own.add(prediction.timing.total_ms)

    def end(self) -> None:
        """Say that nothing more comes."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def picture(self, after: int, seconds: float) -> tuple[int, bytes] | None:
        """Wait for a picture newer than number ``after``; return its number and its JPEG.

        None where none comes in so many seconds, or ever again.
        """
        with self._changed:
            is_there = self._changed.wait_for(
                lambda: self._number > after or self._is_over, seconds
            )
            if not is_there or self._number <= after:
                return None
        with self._drawing:
            with self._changed:
                number, shown = self._number, self._newest
            # Another browser's thread may just have drawn it.
            if self._jpeg[0] != number and shown is not None and self.render is not None:
                self._jpeg = (number, self._drawn(shown, self.render))
            return self._jpeg

    def _drawn(self, shown: Segmented, render: RenderConfig) -> bytes:
        render = replace(render, legend="none")
        image = Image.fromarray(LOOKS[render.kinds[0]].in_color(shown, render))
        image.thumbnail((_SIDE, _SIDE))
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=_QUALITY)
        return buffer.getvalue()

    def state(self) -> dict[str, object]:
        """Return the numbers of the page: rate, latency, counts, and the share of each class."""
        account, last = self.live or self._own, self._prediction
        timing = last.timing if last else None
        return {
            "title": self.title,
            "over": self._is_over,
            "rate": round(account.rate, 2),
            "latency_ms": {p: round(account.latency(float(p)), 1) for p in ("50", "95")},
            "network_ms": round(timing.inference_ms, 1) if timing else None,
            "done": account.done,
            "seen": account.seen,
            "dropped": account.dropped,
            "size": list(last.size) if last else None,
            "classes": self._classes(last),
        }

    def _classes(self, last: Prediction | None) -> list[dict[str, object]]:
        """Return every class in the order of its number: a legend must not jump about."""
        if self.render is None:
            return []
        shares = last.shares if last else ()
        called = dict(enumerate(self.render.names))
        return [
            {
                "name": called.get(number, str(number)),
                "color": "#{:02x}{:02x}{:02x}".format(*color),
                "share": round(shares[number], 5) if number < len(shares) else 0.0,
            }
            for number, color in enumerate(self.render.palette)
        ]
