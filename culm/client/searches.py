"""Hyperparameter searches: submitted as `phpo` does, and looked at."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from culm.client.hpo import by_search_flags, hpo, search_specification
from culm.client.hpo_options import Hpo
from culm.client.option_files import loaded
from culm.client.prun import task_name
from culm.client.prun_options import Prun
from culm.client.search_files import on_disk
from culm.client.submission import Prepared, SubmissionCalls
from culm.core.errors import InvalidRequest
from culm.wire.forecast import Forecast
from culm.wire.search_views import SearchView
from culm.wire.views import TaskAccepted


class SearchCalls(SubmissionCalls):
    """The calls about searches."""

    def prepare_search(self, options: Hpo, *, offline: bool = False) -> Prepared:
        """The specification that these options mean; nothing is sent.

        Raises:
            InvalidRequest: with every fault, named by its option or by its file and line.
        """
        options = loaded(options, on_disk)
        spec = search_specification(
            options, (options.out_ds or "user.name").strip().removesuffix("/"), on_disk
        )
        place = Prun(
            exec=spec.command, out_ds=options.out_ds, work_dir=options.work_dir,
            no_sandbox=options.no_sandbox, max_file_size=options.max_file_size,
            ext_file=options.ext_file, exclude_file=options.exclude_file,
        )  # fmt: skip
        who = self._who(offline=offline)
        name = task_name(place, who.user, who.roles, secrets.token_hex(4))
        return Prepared(replace(spec, name=name), self.chosen_files(place))

    def send_search(self, prepared: Prepared, key: str | None = None) -> TaskAccepted:
        """The task that a prepared search became.

        Raises:
            InvalidRequest: with every fault that the server found, named by its option.
        """
        try:
            return self.send(prepared, key)
        except InvalidRequest as error:
            raise by_search_flags(error) from error

    def check_search(self, prepared: Prepared) -> Forecast:
        """What a prepared search would become if it were sent now; nothing is sent but this.

        Raises:
            InvalidRequest: with every fault that the server found, named by its option.
        """
        try:
            return self.check(prepared)
        except InvalidRequest as error:
            raise by_search_flags(error) from error

    def hpo(
        self, options: Hpo | None = None, *, key: str | None = None, **named: Any
    ) -> TaskAccepted:
        """Submit as `culm hpo` does: `client.hpo(evaluationExec="python train.py", …)`."""
        return self.send_search(self.prepare_search(options or hpo(**named)), key)

    def search(self, task_id: int) -> SearchView:
        """How far a search is, its best point, and every point with its loss."""
        return self._get(SearchView, "tasks", task_id, "search")
