"""End with one line and 1 where the default DVC remote takes nothing: a small file is written there and removed.

`dvc push` of what is there already only compares, which a key that may read alone can do; it fails after hours of work.
"""

import contextlib
import sys
import tempfile

from dvc.repo import Repo


def main() -> None:
    """Write and remove `may-write` beside the outputs."""
    try:
        remote = Repo().cloud.get_remote_odb()
        probe = remote.fs.join(remote.path, "may-write")
        remote.fs.makedirs(remote.path, exist_ok=True)
        with tempfile.NamedTemporaryFile() as empty:
            remote.fs.put_file(empty.name, probe)
    except Exception as error:  # each kind of remote has its own
        why = next(iter(str(error).splitlines()), type(error).__name__)
        sys.exit(f"error: the DVC remote takes nothing ({why}); look at its address and the rights of its key")
    with contextlib.suppress(Exception):  # a key may write without deleting, and some remotes delete nothing
        remote.fs.remove(probe)


if __name__ == "__main__":
    main()
