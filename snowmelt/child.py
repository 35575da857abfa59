"""`python -m snowmelt.child PARENT COMMAND…`: a command that drains when its supervisor is gone, however that ended.

Without it, a supervisor killed with SIGKILL would leave services behind that nobody watches.
"""

import os
import signal
import sys
import threading
import time

_LOOK_EVERY = 0.5


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_follow, args=(int(sys.argv.pop(1)),), daemon=True).start()
    from snowmelt.cli import main

    main()
