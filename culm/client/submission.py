"""Submitting as `prun` does: the directory's files sent along, the options made a task."""

from __future__ import annotations

import getpass
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from culm.client.calls import Calls
from culm.client.chain import Chain
from culm.client.option_files import loaded
from culm.client.prun import by_flags, listed, prun, specification, task_name
from culm.client.prun_options import Prun
from culm.client.reading import read
from culm.client.sandbox import Choice, Chosen, Packed, choose, pack_sandbox
from culm.client.search_files import on_disk
from culm.client.transport import Call, path_of
from culm.core.checksums import chunks
from culm.core.errors import InvalidRequest
from culm.core.ids import new_key
from culm.core.units import parse_size
from culm.wire.forecast import Forecast
from culm.wire.task_spec import TaskSpec
from culm.wire.views import Identity, TaskAccepted

CHECKING_SECONDS = 600.0
"""A million files are split and brokered for a check: that takes its time."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A task ready to be submitted, and what is sent along with it."""

    spec: TaskSpec
    chosen: Chosen | None


class SubmissionCalls(Calls):
    """The calls by which a task with its files is submitted."""

    def prepare(self, options: Prun, *, offline: bool = False) -> Prepared:
        """The specification that these options mean; nothing is sent.

        Offline, a token that does not name its owner is not asked about: the owner is then
        taken to be the user of this machine.

        Raises:
            InvalidRequest: with every fault, named by its option.
        """
        options = loaded(options, on_disk)
        # What is wrong with the options is said before any server is asked.
        spec = specification(options, (options.out_ds or "user.name").strip().removesuffix("/"))
        who = self._who(offline=offline)
        name = task_name(options, who.user, who.roles, secrets.token_hex(4))
        return Prepared(replace(spec, name=name), self.chosen_files(options))

    def send(self, prepared: Prepared, key: str | None = None) -> TaskAccepted:
        """The task that a prepared submission became; its files are sent unless they are there.

        Raises:
            InvalidRequest: with every fault that the server found, named by its option.
        """
        key = key or new_key()
        digest = self.send_sandbox(prepared.chosen) if prepared.chosen else None
        spec = replace(prepared.spec, sandbox=digest)
        try:
            return self._post(TaskAccepted, spec, "tasks", key=key)
        except InvalidRequest as error:
            raise by_flags(error) from error

    def check(self, prepared: Prepared) -> Forecast:
        """What a prepared submission would become if it were sent now; nothing is sent but this.

        Raises:
            InvalidRequest: with every fault that the server found, named by its option.
            TooLarge: its files are over `sandbox_max_mb`.
        """
        spec = prepared.spec
        if prepared.chosen and prepared.chosen.files:
            with self.packed(prepared.chosen) as packed:
                spec = replace(spec, sandbox=packed.digest)
        call = Call(
            method="POST",
            path=path_of("tasks", "check"),
            message=spec,
            read_timeout=CHECKING_SECONDS,
        )
        try:
            return read(Forecast, self.transport.json(call))
        except InvalidRequest as error:
            raise by_flags(error) from error

    def prun(
        self, options: Prun | None = None, *, key: str | None = None, **named: Any
    ) -> TaskAccepted:
        """Submit as the command `culm prun` does: `client.prun(exec="echo %IN", inDS="…")`."""
        return self.send(self.prepare(options or prun(**named)), key)

    def send_sandbox(self, chosen: Chosen) -> str | None:
        """The digest of these files on the server, sent only if it has not got them; None if none.

        Raises:
            TooLarge: they are over `sandbox_max_mb`.
        """
        if not chosen.files:
            return None
        with self.packed(chosen) as packed:
            path = path_of("sandboxes", packed.digest)
            if not self.transport.exists(path):
                self.transport.json(_put(path, packed))
            return packed.digest

    @contextmanager
    def packed(self, chosen: Chosen) -> Iterator[Packed]:
        """These files as one archive, which is there for the time of the block.

        Raises:
            TooLarge: they are over `sandbox_max_mb`.
        """
        with tempfile.TemporaryDirectory(prefix="culm-") as folder:
            yield pack_sandbox(chosen, Path(folder) / "sandbox", self.settings.sandbox_max_mb)

    def chosen_files(self, options: Prun | Chain) -> Chosen | None:
        """The files that these options mean; None if they want none sent.

        Raises:
            InvalidRequest, TooLarge: as `choose` says.
        """
        if options.no_sandbox:
            return None
        choice = Choice(
            max_file_bytes=parse_size(options.max_file_size),
            also=listed(options.ext_file),
            never=listed(options.exclude_file),
            private=self.settings.data_dir,
        )
        return choose(Path(options.work_dir), choice)

    def _who(self, *, offline: bool) -> Identity:
        """Who the token says we are, without asking if it says so itself (the server checks)."""
        claims = self.transport.token.claims()
        if isinstance(claims.get("sub"), str) and isinstance(claims.get("roles"), list):
            return Identity(
                user=claims["sub"], roles=tuple(map(str, claims["roles"])), expires_at=""
            )
        if offline:
            return Identity(user=getpass.getuser(), roles=(), expires_at="")
        return self._get(Identity, "whoami")


def _put(path: str, packed: Packed) -> Call:
    return Call(
        method="PUT",
        path=path,
        headers={"Content-Length": str(packed.size_bytes), "Content-Type": "application/gzip"},
        content=lambda: chunks(packed.path),
        read_timeout=600.0,
    )
