"""Stages that overlap: one works on the next item while the other is still at the one before."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from queue import SimpleQueue
from typing import TypeVar

__all__ = ["ahead"]

T = TypeVar("T")

_End = BaseException | None


def ahead(
    items: Iterable[T], stop: Callable[[], object] = lambda: None
) -> Generator[T, None, None]:
    """Yield the items in their order, each made by a thread while its predecessor is in use.

    Two are in flight at most: the one in use, and one that is being made or waits. So memory does
    not grow where the one side is faster, and an item is never older than its predecessor's use.

    Args:
        items: Iterated in the thread. What it raises is raised here, in its turn.
        stop: Called when nobody wants more, so that an iterator ends that waits for something.
    """
    wanted = threading.Semaphore(1)
    made: SimpleQueue[tuple[T] | _End] = SimpleQueue()
    is_over = threading.Event()

    def make() -> None:
        end: _End = None
        iterator = iter(items)
        try:
            while wanted.acquire() and not is_over.is_set():
                # Without a name of its own here, an item is its user's alone once it is handed on.
                made.put((next(iterator),))
        except StopIteration:
            pass
        except BaseException as failure:  # noqa: BLE001 - raised again by whoever uses the items
            end = failure
        finally:
            _close(iterator)
        made.put(end)

    thread = threading.Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while isinstance(one := made.get(), tuple):
            wanted.release()
            yield one[0]
            del one
        if one is not None:
            raise one
    finally:
        is_over.set()
        wanted.release()
        stop()
        thread.join()


def _close(iterator: Iterator[T]) -> None:
    # A generator's cleanup is done in the thread that ran it.
    if isinstance(iterator, Generator):
        iterator.close()
