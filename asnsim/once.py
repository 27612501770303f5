"""Things that are made once for all threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache, wraps

__all__ = ["once"]


def once(maxsize: int | None = None) -> Callable[[Callable], Callable]:
    """Remember what a function returns, as `functools.lru_cache` does, but let one thread make it while the others wait.

    Of machine code this matters: where two threads make the same, one copy is soon kept by nobody and unmapped while it runs.

    Parameters
    ----------
    maxsize : int, optional
        How many answers are kept; all by default.

    Returns
    -------
    callable
        A decorator for functions of hashable positional arguments. What it makes has ``cache_clear``.
    """

    def decorate(make: Callable) -> Callable:
        kept, lock = lru_cache(maxsize)(make), threading.RLock()

        @wraps(make)
        def get(*key):
            with lock:
                return kept(*key)

        get.cache_clear = kept.cache_clear
        return get

    return decorate
