"""A window that shows results as they come; tkinter, which Python brings nearly everywhere."""

import os
import sys
from contextlib import AbstractContextManager
from typing import Any

from PIL import Image

from segpp.errors import MissingError
from segpp.images.preprocess import ImageArray

__all__ = ["Window", "open_window"]

# Of the screen's height and width: room for its edges and for what else is there.
_SCREEN_SHARE = 0.9


class Window(AbstractContextManager["Window"]):
    """A window with one picture, closed by ``q``, Escape or its frame; see ``open_window``.

    Args:
        tkinter: The module.
        image_tk: Pillow's module that makes pictures for it.
        title: What stands above the window.
    """

    def __init__(self, tkinter: Any, image_tk: Any, title: str) -> None:
        self._root, self._image_tk = tkinter.Tk(), image_tk
        self._root.title(title)
        self._label = tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        for key in ("q", "Q", "<Escape>"):
            self._root.bind(key, lambda _event: self._close())
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        self.closed = False

    def show(self, picture: ImageArray, title: str) -> None:
        """Show a picture (H, W, 3), made smaller if the screen is; nothing once it is closed."""
        if self.closed:
            return
        image = Image.fromarray(picture)
        image.thumbnail(self._room())
        photo = self._image_tk.PhotoImage(image, master=self._root)
        self._label.configure(image=photo)
        # Tk holds no reference, and a picture without one vanishes.
        self._label.image = photo
        self._root.title(f"{title} - q quits")
        self._root.update()

    def wait(self) -> None:
        """Return when the window is closed."""
        if not self.closed:
            self._root.mainloop()

    def __exit__(self, *_: object) -> None:
        self._close()

    def _room(self) -> tuple[int, int]:
        width, height = self._root.winfo_screenwidth(), self._root.winfo_screenheight()
        return round(_SCREEN_SHARE * width), round(_SCREEN_SHARE * height)

    def _close(self) -> None:
        if not self.closed:
            self.closed = True
            self._root.destroy()


def open_window(title: str) -> Window:
    """Return an open window.

    Raises:
        MissingError: There is no display here, or Python came without tkinter.
    """
    try:
        import tkinter as tk  # noqa: PLC0415 - a board has neither it nor a display

        from PIL import ImageTk  # noqa: PLC0415 - as above
    except ImportError as failure:
        raise MissingError(
            "a window needs tkinter, which this Python came without",
            hint="install it (Debian: apt install python3-tk python3-pil.imagetk), or write the "
            "pictures: --out FOLDER",
        ) from failure
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        raise _no_display("DISPLAY is not set")
    try:
        return Window(tk, ImageTk, title)
    except tk.TclError as failure:
        raise _no_display(str(failure)) from failure


def _no_display(reason: str) -> MissingError:
    return MissingError(
        "there is no display to open a window on",
        reason,
        hint="write the pictures instead: --out FOLDER without --show",
    )
