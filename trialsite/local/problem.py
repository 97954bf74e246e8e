"""What went wrong, in words for the person at the keyboard."""

import errno


class Problem(Exception):
    """Shown as it stands, without a traceback: what happened, and how to go on."""


DISK_FULL = (
    "The disk is full. Free some space (300 MB is enough), then start again: what was saved before is still there."
)


def from_os_error(error: OSError) -> Problem | None:
    """The plain form of an error of the operating system, or None when there is nothing better to say."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Problem(DISK_FULL)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS} and error.filename:
        return Problem(
            f"{error.filename} cannot be written ({error.strerror}). Files of an earlier run may belong to "
            "another user: run as that user, or give the folder to yourself with chown."
        )
    return None
