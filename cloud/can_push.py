"""End with one line and 1 where the default DVC remote takes nothing: a small file is written there and removed.

`dvc push` of what is there already only compares, which a key that may read alone can do; it fails after hours of work.
"""

import sys

from dvc.repo import Repo


def main() -> None:
    """Write and remove `may-write` beside the outputs."""
    remote = Repo().cloud.get_remote_odb()
    probe = remote.fs.join(remote.path, "may-write")
    try:
        remote.fs.makedirs(remote.path, exist_ok=True)
        remote.fs.pipe_file(probe, b"")
        remote.fs.remove(probe)
    except Exception as error:  # each kind of remote has its own
        why = next(iter(str(error).splitlines()), type(error).__name__)
        sys.exit(f"error: {remote.path}: the remote takes nothing ({why}); look at the rights of its key")


if __name__ == "__main__":
    main()
