"""The pilot: an agent on a worker node that runs jobs. Knows culm.wire and culm.core only."""

VERSION = "0.1.0"
