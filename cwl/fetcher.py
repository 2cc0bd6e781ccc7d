"""What cwltool may read: the texts of the bundle. No disk, no network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schema_salad.exceptions import ValidationException
from schema_salad.fetcher import DefaultFetcher

from cwl.bundle import Bundle, name_of


def fetcher_of(bundle: Bundle) -> Callable[..., DefaultFetcher]:
    """The constructor of a fetcher that knows this bundle alone."""

    class BundleFetcher(DefaultFetcher):
        """Gives texts of the bundle and refuses everything else."""

        def fetch_text(self, url: str, content_types: list[str] | None = None) -> str:
            """The text of a file of the bundle; schemas that cwltool brings along are cached."""
            del content_types
            cached = self.cache.get(url)
            if isinstance(cached, str):
                return cached
            name = name_of(url)
            if name is None:
                raise ValidationException(f"{url} is {refusal(url)}")
            if name not in bundle.files:
                raise ValidationException(f"{name} is not in the bundle")
            return bundle.files[name]

        def check_exists(self, url: str) -> bool:
            """Whether the bundle holds it."""
            return url in self.cache or name_of(url) in bundle.files

    def construct(cache: Any, session: Any) -> DefaultFetcher:
        del session
        return BundleFetcher(cache, None)

    return construct


def refusal(url: str) -> str:
    """Why a URL that is not in the bundle is not read."""
    if url.startswith("file:"):
        return "outside of the bundle: only files below the submitted directory are read"
    return "on the network: only files of the bundle are read"
