"""Stages that overlap: one works on the next item while the other is still at the one before.

Inside of a stage, several items may be worked on at once where what does the work takes several.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

__all__ = ["ahead", "at_once"]

T = TypeVar("T")
R = TypeVar("R")

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


def at_once(work: Callable[[T], R], items: Iterable[T], count: int) -> Generator[R, None, None]:
    """Yield what ``work`` makes of the items, in their order, ``count`` of them at a time.

    Args:
        work: Called in as many threads. What it raises is raised here, in its turn.
        items: Iterated in the caller's thread. What it raises is raised behind the results of what
            came before.
        count: With one, everything happens in the caller's thread.
    """
    if count == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(count, thread_name_prefix="at-once") as pool:
        under_way: deque[Future[R]] = deque()
        ends: list[BaseException] = []
        try:
            for item in _then(items, ends):
                under_way.append(pool.submit(work, item))
                if len(under_way) == count:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
    if ends:
        raise ends[0]


def _then(items: Iterable[T], ends: list[BaseException]) -> Iterator[T]:
    """Yield the items, and keep what they raise for later."""
    try:
        yield from items
    except Exception as failure:  # noqa: BLE001 - raised by the caller, in its turn
        ends.append(failure)


def _close(iterator: Iterator[T]) -> None:
    # A generator's cleanup is done in the thread that ran it.
    if isinstance(iterator, Generator):
        iterator.close()
