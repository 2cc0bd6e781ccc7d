"""Network of worker nodes: `network#ip_stack` (PanDA documentation 12.1, wnconnectivity)."""

from __future__ import annotations

from dataclasses import dataclass

from culm.core.errors import FieldFault, InvalidRequest

_NETWORKS = ("none", "http", "full")
_STACKS = {"": "", "ipv4": "IPv4", "ipv6": "IPv6"}


@dataclass(frozen=True, slots=True)
class Connectivity:
    """How much of the outer network there is (or is needed), and by which protocol."""

    network: str = "full"
    ip_stack: str = ""

    def serves(self, needed: Connectivity) -> bool:
        """Whether a node that has this connectivity runs what needs the other."""
        enough = _NETWORKS.index(self.network) >= _NETWORKS.index(needed.network)
        return enough and needed.ip_stack in ("", self.ip_stack)

    def __str__(self) -> str:
        return f"{self.network}#{self.ip_stack}" if self.ip_stack else self.network


FULL = Connectivity()


def parse_connectivity(text: str, field: str, unsaid: str) -> Connectivity:
    """The connectivity that `full`, `http` or `none` and perhaps `#IPv4` or `#IPv6` say.

    `unsaid` is the network where the text names none: `full` of a queue, `none` of a task.

    Raises:
        InvalidRequest: the network or the protocol is another word.
    """
    network, _, stack = text.partition("#")
    network = network or unsaid
    if network not in _NETWORKS or stack.lower() not in _STACKS:
        needed = "full, http or none, then nothing, #IPv4 or #IPv6"
        raise InvalidRequest(
            f"{field} {text!r} cannot be read", faults=[FieldFault(field, repr(text), needed)]
        )
    return Connectivity(network, _STACKS[stack.lower()])
