"""What software and hardware a queue publishes (PanDA documentation 12.1.1: cmtconfigs,
containers, cvmfs, architectures, tags).
"""

from __future__ import annotations

from dataclasses import dataclass

EXCLUSIVE = "excl"
"""In a list: only tasks that ask for something of the list are taken."""
ANY = "any"


@dataclass(frozen=True, slots=True)
class Release:
    """A release that a task needs: project, version, and the cvmfs repository it is in."""

    project: str
    version: str
    repository: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One release or container that is installed at a queue."""

    platform: str = ""
    project: str = ""
    version: str = ""
    container: str = ""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuOffer:
    """Processors of a queue. An empty list, or `any` or an empty string in it, takes any."""

    arch: tuple[str, ...] = ()
    vendor: tuple[str, ...] = ()
    instr: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuOffer:
    """Graphics processors of a queue."""

    vendor: tuple[str, ...] = ()
    model: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """What a queue publishes about itself."""

    platforms: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    cvmfs: tuple[str, ...] = ()
    cpu: CpuOffer | None = None
    gpu: GpuOffer | None = None
    tags: tuple[Tag, ...] = ()

    @property
    def has_any_container(self) -> bool:
        """Whether any container image can be had, from a registry or from cvmfs."""
        return ANY in self.containers or "/cvmfs" in self.containers
