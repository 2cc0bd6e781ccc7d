"""The last job of the demo: what all files say together, as a confusion matrix.

    merge.py IN OUT

IN are the comma-separated documents that `classify.py` wrote, OUT is the JSON document that is
written. Standard library only.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Merged:
    """The sum of documents; `matrix[truth][predicted]` counts images."""

    n_files: int = 0
    matrix: list[list[int]] = field(default_factory=lambda: [[0] * 10 for _ in range(10)])
    mistakes: list[dict[str, Any]] = field(default_factory=list)

    def add(self, document: dict[str, Any]) -> None:
        """Count one file's images."""
        self.n_files += 1
        for truth, guess in zip(document["truth"], document["predicted"], strict=True):
            self.matrix[truth][guess] += 1
        self.mistakes += document["mistakes"]

    def as_document(self) -> dict[str, Any]:
        """The numbers that people want to see, and the mistakes with their pixels."""
        n_images = sum(map(sum, self.matrix))
        n_correct = sum(self.matrix[digit][digit] for digit in range(10))
        return {
            "n_files": self.n_files,
            "n_images": n_images,
            "n_correct": n_correct,
            "accuracy": n_correct / n_images if n_images else 0.0,
            "matrix": self.matrix,
            "mistakes": self.mistakes,
        }


def main(documents: list[Path], out: Path) -> None:
    """Merge the documents, in order of their names, and write the sum."""
    merged = Merged()
    for path in sorted(documents):
        merged.add(json.loads(path.read_text()))
    found = merged.as_document()
    out.write_text(json.dumps(found))
    print(f"{found['n_correct']} of {found['n_images']} images right")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1].split(",")], Path(sys.argv[2]))
