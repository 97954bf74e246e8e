"""SECRET_KEY and FIELD_KEYS of this machine: made once, kept in a file that only we may read."""

import base64
import secrets
from pathlib import Path

from trialsite.local.files import write_private
from trialsite.local.problem import Problem

NAMES = ("SECRET_KEY", "FIELD_KEYS")


def new_keys() -> dict[str, str]:
    return {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "FIELD_KEYS": base64.b64encode(secrets.token_bytes(64)).decode(),
    }


def load_or_create(path: Path, has_data: bool) -> dict[str, str]:
    """The keys in `path`. New ones are made only when nothing was encrypted with older ones."""
    if not path.exists():
        if has_data:
            raise Problem(
                f"{path} is missing, and the names in the database cannot be read without the keys in it. "
                f"Put the file back from your copy, or delete {path.parent} to begin with an empty database."
            )
        keys = new_keys()
        write_private(path, "".join(f"{name}={value}\n" for name, value in keys.items()).encode())
        return keys
    lines = path.read_text(encoding="utf-8").splitlines()
    keys = {name: value for name, sep, value in (line.partition("=") for line in lines) if sep}
    if missing := [name for name in NAMES if not keys.get(name)]:
        raise Problem(f"{path} holds no {' and no '.join(missing)}. Put the file back from your copy.")
    return {name: keys[name] for name in NAMES}
