"""The secrets that webhooks' notices are signed with: made from one key outside of the books."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from culm.core.private_files import make_private_folder, write_private

KEY_FILE = "notice.key"
_KEY_BYTES = 32


def secret_of(keys_dir: Path, user: str, address_id: int, target: str) -> str:
    """The secret of one address: nothing of it is stored, another address has another."""
    words = f"webhook\n{user}\n{address_id}\n{target}".encode()
    return hmac.new(_key(keys_dir), words, hashlib.sha256).hexdigest()


def _key(keys_dir: Path) -> bytes:
    path = keys_dir / KEY_FILE
    if not path.is_file():
        make_private_folder(keys_dir)
        draft = path.with_name(f".{KEY_FILE}.{secrets.token_hex(4)}")
        write_private(draft, secrets.token_bytes(_KEY_BYTES))
        try:
            # Of two that start at once the first makes the key.
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_bytes()
