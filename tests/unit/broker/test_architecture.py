"""The architecture string of a task (PanDA documentation 12.1.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.architecture import Architecture, Cpu, Gpu, parse_architecture
from culm.core.errors import InvalidRequest

PLATFORM = "x86_64-centos7-gcc8-opt"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", Architecture()),
        (PLATFORM, Architecture(PLATFORM)),
        (f"{PLATFORM}@centos7", Architecture(PLATFORM, "centos7")),
        (f"{PLATFORM}#x86_64", Architecture(PLATFORM, cpu=Cpu("x86_64"))),
        ("#x86_64-intel", Architecture(cpu=Cpu("x86_64", "intel"))),
        ("#x86_64-intel-avx2", Architecture(cpu=Cpu("x86_64", "intel", "avx2"))),
        ("&nvidia", Architecture(gpu=Gpu("nvidia"))),
        ("&nvidia-gtx-1080", Architecture(gpu=Gpu("nvidia", "gtx-1080"))),
        (f"{PLATFORM}@el9#x86_64-amd&nvidia-a100",
         Architecture(PLATFORM, "el9", Cpu("x86_64", "amd"), Gpu("nvidia", "a100"))),
        # The order of the marked parts is free.
        ("&nvidia#aarch64", Architecture(cpu=Cpu("aarch64"), gpu=Gpu("nvidia"))),
    ],
)  # fmt: skip
def test_parts_of_an_architecture(text: str, found: Architecture) -> None:
    assert parse_architecture(text) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a@b@c", "base_platform (@) stands there twice"),
        ("a#x86_64#arm", "host_cpu (#) stands there twice"),
        ("a#", "host_cpu is empty: write something after #, or leave it out"),
        ("a&", "host_gpu is empty: write something after &, or leave it out"),
        ("#x86_64--avx2", "host_cpu x86_64--avx2 has an empty part between its dashes"),
        ("&-a100", "host_gpu -a100 has an empty part between its dashes"),
        ("a b", "at most 1000 characters, no spaces"),
        ("a" * 1001, "at most 1000 characters, no spaces"),
    ],
)
def test_architecture_that_cannot_be_read_says_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_architecture(text)
    assert words in str(caught.value)
    assert "<#arch<-vendor<-instr>>>" in caught.value.hint
    assert caught.value.faults[0].field == "architecture"


word = st.from_regex(r"[a-z0-9_.]{1,8}", fullmatch=True)
cpus = st.builds(Cpu, arch=word) | st.builds(Cpu, word, word) | st.builds(Cpu, word, word, word)
gpus = st.builds(Gpu, vendor=word) | st.builds(Gpu, word, word)


@given(
    st.builds(Architecture, word | st.just(""), word | st.just(""), st.none() | cpus,
              st.none() | gpus)
)  # fmt: skip
def test_architecture_written_is_read_again(one: Architecture) -> None:
    assert parse_architecture(str(one)) == one
