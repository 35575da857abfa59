"""Standard output that may be cut short: `snowmelt tail … | head` is no failure."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def printing() -> Iterator[None]:
    """Flushes at the end; a reader that went away, or Ctrl-C, ends the block quietly."""
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # the interpreter would try to flush again at exit, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
