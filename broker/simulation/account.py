"""Who uses how much, and what each share is due."""

from __future__ import annotations

from broker.shares import ShareTree


class Account:
    """Who uses how much (work seconds a second), who waits for how much, and what each is due."""

    def __init__(self, tree: ShareTree, *, in_order: bool) -> None:
        """Begin with nothing. Without `in_order` shares are counted but serve nobody first."""
        self.tree = tree
        self.in_order = in_order
        self.used = dict.fromkeys(tree.leaves, 0.0)
        self.queued = dict.fromkeys(tree.leaves, 0.0)
        self.total = 0.0
        self.due = {leaf: tree.targets[leaf] for leaf in tree.leaves}

    def run(self, share: str, power: float) -> None:
        """Count power that a share begins (or, negative, ceases) to use."""
        self.used[share] += power
        self.total += power

    def settle(self) -> None:
        """Work out anew what each share is due now."""
        whole = max(self.total, 1e-9)
        wanted = {s: (self.used[s] + self.queued[s]) / whole for s in self.tree.leaves}
        self.due = self.tree.due(wanted)

    def above_due(self, share: str) -> float:
        """How far a share is above what it is due, as a fraction of the whole."""
        return self.used[share] / self.total - self.due[share] if self.total > 0 else 0.0

    def deviation(self) -> float:
        """Half the sum of the distances between what shares use and what they are due: the part
        of the whole that is in the wrong hands, from 0 to 1.
        """
        return sum(abs(self.above_due(share)) for share in self.used) / 2
