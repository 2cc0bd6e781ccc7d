"""Datasets and files: register, list, upload, download."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from culm.client import transfer
from culm.client.calls import Calls, up_to
from culm.core.ids import new_key
from culm.wire.views import (
    DatasetList,
    DatasetView,
    FileList,
    FileView,
    NewDataset,
    NewFile,
)

PAGE = 1000
OnBytes = Callable[[int], None]


def _ignore(size_bytes: int) -> None:
    del size_bytes


class DatasetCalls(Calls):
    """The calls about datasets and their files."""

    def dataset(self, name: str) -> DatasetView:
        """A dataset of the catalogue."""
        return self._get(DatasetView, "datasets", name)

    def datasets(
        self, pattern: str | None = None, limit: int | None = None
    ) -> Iterator[DatasetView]:
        """Datasets in order of name; `pattern` is a shell pattern on names."""
        return up_to(limit, self._datasets(pattern, min(limit or PAGE, PAGE)))

    def _datasets(self, pattern: str | None, page: int) -> Iterator[DatasetView]:
        after: str | None = None
        while True:
            found = self._get(DatasetList, "datasets", pattern=pattern, limit=page, after=after)
            yield from found.datasets
            after = found.next
            if after is None:
                return

    def add_dataset(self, name: str, files: Sequence[NewFile] = ()) -> DatasetView:
        """The dataset of this name, made if it was not there, with these files registered.

        The files stay where their URLs say; `upload` sends bytes instead.
        """
        message = NewDataset(name=name, files=tuple(files))
        return self._post(DatasetView, message, "datasets", key=new_key())

    def files(self, name: str, limit: int | None = None) -> Iterator[FileView]:
        """A dataset's files in order of name."""
        return up_to(limit, self._files(name, min(limit or PAGE, PAGE)))

    def _files(self, name: str, page: int) -> Iterator[FileView]:
        after: str | None = None
        while True:
            found = self._get(FileList, "datasets", name, "files", limit=page, after=after)
            yield from found.files
            after = found.next
            if after is None:
                return

    def upload(
        self,
        name: str,
        path: Path | str,
        *,
        lfn: str | None = None,
        n_events: int | None = None,
        on_bytes: OnBytes = _ignore,
    ) -> FileView:
        """The file as the catalogue now has it: its bytes sent, stored, checked, registered.

        Raises:
            ChecksumMismatch: what was stored is not what was sent.
        """
        source = transfer.Source.of(Path(path), lfn, n_events)
        return transfer.upload(self.transport, name, source, on_bytes)

    def download(
        self, name: str, lfn: str, directory: Path | str = ".", on_bytes: OnBytes = _ignore
    ) -> Path:
        """The path of the file in this directory, whole and verified.

        A file that is there with the right checksum is kept; one that is cut short never bears
        the final name.

        Raises:
            ChecksumMismatch: the bytes that came are not those of the catalogue.
        """
        return transfer.download(self.transport, name, lfn, Path(directory), on_bytes)
