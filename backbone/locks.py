"""Lock files: who writes a log or the warehouse holds one for as long as it lives."""

import fcntl
import os
import time
from pathlib import Path

WRITER = "writer.lock"
"""In the folder of what is written: a log, or the warehouse."""
_LOOKS, _PAUSE = 20, 0.01


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


def share(path: Path) -> int:
    """Holds it together with others who share it, until the handle that is returned is closed. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    for attempt in range(_LOOKS):
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            break
        except OSError:  # perhaps somebody just looks whether it is held
            if attempt + 1 == _LOOKS:
                os.close(handle)
                raise
            time.sleep(_PAUSE)
    return handle
