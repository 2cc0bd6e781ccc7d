"""Hardware, containers, releases, events: PanDA documentation 12.1.1 and 12.1."""

from __future__ import annotations

from typing import Any

import pytest

from broker.architecture import parse_architecture
from broker.filters import software
from broker.rules import Rule
from broker.software import CpuOffer, GpuOffer, Release, Software, Tag
from tests.unit.broker.scene import a_demand, a_queue, a_view

SLC6 = "x86_64-slc6-gcc62-opt"
TAG = Tag(platform=SLC6, project="Athena", version="21.0.38")
FAT = Tag(container="img:1", sources=("/cvmfs/img/1",))


def refused(rule: Rule, demand: dict[str, Any], offer: Software | None, **queue: Any) -> str:
    asked, offered, view = a_demand(**demand), a_queue(software=offer, **queue), a_view()
    if not (rule.concerns(asked, view.thresholds) and rule.applies(offered)):
        return ""
    found = rule.refuse(asked, offered, view)
    return "" if found is None else found.reason


@pytest.mark.parametrize(
    ("architecture", "offer", "words"),
    [
        ("#x86_64", CpuOffer(arch=("x86_64",)), ""),
        ("#x86_64", CpuOffer(arch=("",)), ""),
        ("#x86_64", CpuOffer(arch=("any",)), ""),
        ("#x86_64", CpuOffer(arch=("x86_64", "excl")), ""),
        ("#x86_64", CpuOffer(), ""),
        ("#x86_64", CpuOffer(arch=("arm64",)), "its CPU is arm64, x86_64 needed"),
        ("", CpuOffer(arch=("arm64",)), ""),
        ("", CpuOffer(arch=("arm64", "excl")), "it is only for tasks that ask for CPU arm64"),
        ("", CpuOffer(vendor=("excl",)), "it is only for tasks that ask for CPU vendor "
                                         "such hardware"),
        ("#x86_64-amd", CpuOffer(arch=("x86_64",), vendor=("intel", "excl")),
         "its CPU vendor is intel, amd needed"),
        ("#x86_64-intel-avx512", CpuOffer(arch=("x86_64",), instr=("avx", "avx2")),
         "its CPU instruction set is avx or avx2, avx512 needed"),
        ("#x86_64", None, "it does not say which CPUs it has, x86_64 needed"),
    ],
)  # fmt: skip
def test_processors(architecture: str, offer: CpuOffer | None, words: str) -> None:
    demand = {"architecture": parse_architecture(architecture)}
    assert refused(software.hardware, demand, Software(cpu=offer)) == words


@pytest.mark.parametrize(
    ("architecture", "offer", "words"),
    [
        ("&nvidia", GpuOffer(vendor=("nvidia",)), ""),
        ("&nvidia-a100", GpuOffer(vendor=("nvidia", "excl"), model=("a100", "k80")), ""),
        ("&nvidia-v100", GpuOffer(vendor=("nvidia",), model=("a100", "k80")),
         "its GPU model is a100 or k80, v100 needed"),
        ("&amd", GpuOffer(vendor=("nvidia",)), "its GPU vendor is nvidia, amd needed"),
        ("", GpuOffer(vendor=("nvidia", "excl")),
         "it is only for tasks that ask for GPU vendor nvidia"),
        ("&nvidia", None, "it has no GPU, nvidia needed"),
    ],
)  # fmt: skip
def test_graphics_processors(architecture: str, offer: GpuOffer | None, words: str) -> None:
    demand = {"architecture": parse_architecture(architecture)}
    assert refused(software.hardware, demand, Software(gpu=offer)) == words


@pytest.mark.parametrize(
    ("demand", "offer", "words"),
    [
        ({"container": "docker://a"}, Software(containers=("any",)), ""),
        ({"container": "docker://a"}, Software(containers=("/cvmfs",)), ""),
        ({"container": "docker://a/b:1"}, Software(containers=("docker://a",)), ""),
        ({"container": "docker://a"}, Software(containers=("docker://b", "x")),
         "it does not have container docker://a (it has docker://b, x)"),
        ({"container": "docker://a"}, Software(),
         "it does not have container docker://a (it has no containers)"),
        ({"container": "img:1", "container_source": "/images/1"},
         Software(containers=("/images",)), ""),
        # onlyTagsForFC: by a tag's name or one of its sources, nothing else
        ({"container": "img:1", "container_by_tag_only": True}, Software(tags=(FAT,)), ""),
        ({"container": "/cvmfs/img/1", "container_by_tag_only": True}, Software(tags=(FAT,)), ""),
        ({"container": "img:2", "container_by_tag_only": True},
         Software(tags=(FAT,), containers=("any",)),
         "it does not have container img:2 (it has any)"),
        ({"container": "docker://a"}, None, ""),
        ({}, Software(), ""),
    ],
)  # fmt: skip
def test_containers(demand: dict[str, Any], offer: Software | None, words: str) -> None:
    assert refused(software.container, demand, offer) == words


ATHENA = {
    "release": Release("Athena", "21.0.38", "atlas"),
    "architecture": parse_architecture(SLC6),
}
MISSING = f"it does not have release Athena 21.0.38 for {SLC6}"


@pytest.mark.parametrize(
    ("demand", "offer", "words"),
    [
        (ATHENA, Software(cvmfs=("any",), containers=("any",)), ""),
        (ATHENA, Software(cvmfs=("atlas",), containers=("/cvmfs",)), ""),
        (ATHENA, Software(cvmfs=("atlas",), platforms=(SLC6,)), ""),
        (ATHENA, Software(cvmfs=("nightlies",), platforms=(SLC6,)), MISSING),
        (ATHENA, Software(cvmfs=("atlas",), platforms=("other",)), MISSING),
        # else: a tag, and any container for its platform
        (ATHENA, Software(containers=("any",), tags=(TAG,)), ""),
        (ATHENA, Software(tags=(TAG,)), MISSING),
        (ATHENA, Software(containers=("any",), tags=(Tag(platform=SLC6, project="Athena",
                                                         version="22"),)), MISSING),
        ({"release": Release("Athena", "1", "atlas")}, Software(),
         "it does not have release Athena 1"),
        # a container brings its release along
        (ATHENA | {"container": "docker://a"}, Software(), ""),
        (ATHENA, None, ""),
    ],
)  # fmt: skip
def test_releases(demand: dict[str, Any], offer: Software | None, words: str) -> None:
    assert refused(software.release, demand, offer) == words


@pytest.mark.parametrize(
    ("rule", "demand", "queue", "words"),
    [
        # 18: event service and dynamic numbers of events
        (software.event_service, {"is_event_service": True}, {"takes_event_service": False},
         "it takes no event service jobs"),
        (software.event_service, {}, {"takes_ordinary_jobs": False},
         "it takes event service jobs only"),
        (software.event_service, {"is_event_service": True}, {"takes_ordinary_jobs": False}, ""),
        (software.event_service, {}, {"takes_event_service": False}, ""),
        (software.dynamic_events, {"has_dynamic_events": True}, {"takes_dynamic_events": False},
         "it takes no dynamic number of events"),
        (software.dynamic_events, {"has_dynamic_events": True}, {}, ""),
        (software.dynamic_events, {}, {"takes_dynamic_events": False}, ""),
    ],
)  # fmt: skip
def test_events(rule: Rule, demand: dict[str, Any], queue: dict[str, Any], words: str) -> None:
    assert refused(rule, demand, None, **queue) == words
