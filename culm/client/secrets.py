"""Secrets: set, list, look at, delete what your jobs need and nobody else may see."""

from __future__ import annotations

from culm.client.calls import Calls
from culm.client.reading import read
from culm.client.transport import Call, path_of
from culm.wire.secrets import SecretHistory, SecretList, SecretUse, SecretView


class SecretCalls(Calls):
    """The calls about secrets. Values travel in bodies alone, never in a path or an error."""

    def secrets(self) -> tuple[SecretView, ...]:
        """Your secrets, without their values."""
        return self._get(SecretList, "secrets").secrets

    def set_secret(self, name: str, value: str | bytes, *, is_file: bool = False) -> SecretView:
        """Keep a secret; one of the same name is replaced.

        With `is_file` the jobs get it as a file of this name, too.

        Raises:
            InvalidRequest: the name is none, the value is empty, or no text and no file either.
            TooLarge: it, or all of yours together, would be too many bytes.
        """
        content = value.encode() if isinstance(value, str) else value
        call = Call(
            method="PUT",
            path=path_of("secrets", name),
            params={"file": "true"} if is_file else {},
            headers={"Content-Type": "application/octet-stream"},
            content=lambda: iter([content]),
        )
        return read(SecretView, self.transport.json(call))

    def secret(self, name: str) -> bytes:
        """The value of one of your secrets.

        Raises:
            NotFound: there is none of this name.
        """
        with self.transport.stream(Call(method="GET", path=path_of("secrets", name))) as answer:
            return answer.read()

    def delete_secret(self, name: str) -> None:
        """Forget one of your secrets.

        Raises:
            NotFound: there is none of this name.
        """
        self.transport.json(Call(method="DELETE", path=path_of("secrets", name)))

    def delete_secrets(self) -> tuple[SecretView, ...]:
        """Forget all of your secrets; what they were."""
        call = Call(method="DELETE", path=path_of("secrets"))
        return read(SecretList, self.transport.json(call)).secrets

    def secret_uses(self) -> tuple[SecretUse, ...]:
        """What was done with your secrets, newest first: set, shown, deleted, given to a job."""
        return self._get(SecretHistory, "secret-uses").uses
