"""The key that signs a registry's ledger: Ed25519, by the package `cryptography`, needed only where there is a key.

A signature protects against whoever may write into the registry and lacks the private key: they can change, add or
rebuild no line. It does not protect against who has the key file, which holds no password (its mode is 0600), nor
against a whole registry under another key, which shows only beside a copy of the public key that was kept elsewhere.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cohorts.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def make_key(file: Path) -> None:
    """Write a new private key as PEM, readable by its owner alone.

    Raises:
        InputError: There is a file already, which is never overwritten, or no folder for it.
    """
    ed25519, serialization = _cryptography()
    content = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InputError(f"key {file}: already there, and a key is never overwritten; choose another place") from None
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"key {file}: its folder is not there; make it, or choose another place") from None
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
    except BaseException:
        file.unlink()
        raise


def load_key(file: Path) -> "Ed25519PrivateKey":
    """Read a private key.

    Raises:
        InputError: There is none, or it is of another kind.
    """
    ed25519, serialization = _cryptography()
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise InputError(f"key {file}: cannot be read ({error.strerror})") from None
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise InputError(f"key {file}: is no Ed25519 private key as PEM without a password; give one of --make-key")
    return key


def public_text(key: "Ed25519PrivateKey") -> str:
    """The public key that belongs to a private one, as PEM."""
    _, serialization = _cryptography()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def sign(key: "Ed25519PrivateKey", text: str) -> str:
    """Signature of a text's UTF-8 bytes, as 128 hexadecimal digits; the same for the same text and key."""
    return key.sign(text.encode()).hex()


def is_signed(text: str, signature: Any, public: Any) -> bool:
    """Whether a signature is that of a text by the owner of a public key; False for what is no signature or no key."""
    ed25519, serialization = _cryptography()
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        key = serialization.load_pem_public_key(public.encode())
        if not isinstance(key, ed25519.Ed25519PublicKey) or signature != signature.lower():
            return False
        key.verify(bytes.fromhex(signature), text.encode())
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError, AttributeError):
        return False
    return True


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise InputError("key: needs the package cryptography; pip install '.[signing]'") from None
    return ed25519, serialization
