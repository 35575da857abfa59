"""Lock files: who writes a log or the warehouse holds one for as long as it lives."""

import fcntl
import os
from pathlib import Path


def held(path: Path) -> bool:
    """Whether some process holds it now."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
