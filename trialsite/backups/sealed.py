"""A file that only the holder of a private key can open; the server has the public one.

Format: the line `trialsite-sealed-1`, the 32 bytes of a public key made for this file, then the content in pieces of
65 536 bytes, each with a tag of 16 bytes; the last may be shorter. Key of the pieces: HKDF-SHA-256 (RFC 5869) of the
X25519 secret (RFC 7748), salt: the file's public key and the holder's, info: the first line. Each piece is closed with
ChaCha20-Poly1305 (RFC 8439); its nonce is its number in 11 bytes, and 1 for the last piece, else 0.
"""

from pathlib import Path
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from trialsite.backups.problem import Problem

MAGIC = b"trialsite-sealed-1\n"
PIECE, TAG, KEY = 65_536, 16, 32
MAKE_KEYS = (
    "Make the pair on another machine: openssl genpkey -algorithm X25519 -out backup-private.pem; "
    "openssl pkey -in backup-private.pem -pubout -out backup-public.pem"
)


def public_key(path: Path) -> X25519PublicKey:
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Problem(f"BACKUP_PUBLIC_KEY: {path} is no public key ({error}). {MAKE_KEYS}") from None
    if not isinstance(key, X25519PublicKey):
        raise Problem(f"BACKUP_PUBLIC_KEY: {path} is a key of another kind than X25519. {MAKE_KEYS}")
    return key


def private_key(path: Path) -> X25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise Problem(f"{path} is no private key ({error}). Give the file that belongs to the public key.") from None
    if not isinstance(key, X25519PrivateKey):
        raise Problem(f"{path} is a key of another kind than X25519: it has opened no backup of Trialsite.")
    return key


class Writer:
    """Closes what is written to it; `close` writes the last piece. `key` opens this one file again."""

    def __init__(self, file: IO[bytes], to: X25519PublicKey) -> None:
        own = X25519PrivateKey.generate()
        self.file = file
        self.key = _key(own.exchange(to), own.public_key(), to)
        self._cipher, self._rest, self._number = ChaCha20Poly1305(self.key), bytearray(), 0
        file.write(MAGIC + own.public_key().public_bytes_raw())

    def write(self, data: bytes) -> int:
        self._rest += data
        while len(self._rest) > PIECE:
            self._put(bytes(self._rest[:PIECE]), is_last=False)
            del self._rest[:PIECE]
        return len(data)

    def close(self) -> None:
        self._put(bytes(self._rest), is_last=True)

    def _put(self, piece: bytes, *, is_last: bool) -> None:
        self.file.write(self._cipher.encrypt(_nonce(self._number, is_last), piece, None))
        self._number += 1


class Reader:
    """The content of a closed file, read from its beginning; raises Problem for a wrong key or a changed file."""

    def __init__(self, file: IO[bytes], *, own: X25519PrivateKey | None = None, key: bytes = b"") -> None:
        head = file.read(len(MAGIC) + KEY)
        if not head.startswith(MAGIC) or len(head) != len(MAGIC) + KEY:
            raise Problem("The file does not begin as a sealed backup does.")
        if own is not None:
            theirs = X25519PublicKey.from_public_bytes(head[len(MAGIC) :])
            key = _key(own.exchange(theirs), theirs, own.public_key())
        self._cipher, self._file, self._number = ChaCha20Poly1305(key), file, 0
        self._next, self._rest, self._is_over = file.read(PIECE + TAG), bytearray(), False

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and not self._is_over:
            self._rest += self._open()
        data = bytes(self._rest[:size])
        del self._rest[:size]
        return data

    def _open(self) -> bytes:
        piece, self._next = self._next, self._file.read(PIECE + TAG)
        self._is_over = not self._next
        try:
            opened = self._cipher.decrypt(_nonce(self._number, self._is_over), piece, None)
        except InvalidTag:
            raise Problem(
                "The backup does not open: it is closed to another key than the one given, or was cut off or changed."
            ) from None
        self._number += 1
        return opened


def _key(secret: bytes, of_file: X25519PublicKey, of_holder: X25519PublicKey) -> bytes:
    salt = of_file.public_bytes_raw() + of_holder.public_bytes_raw()
    return HKDF(hashes.SHA256(), KEY, salt, MAGIC.strip()).derive(secret)


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])
