"""Chain: what a user says to `chain`, and which files go along (documentation, 4.1.8)."""

from __future__ import annotations

from dataclasses import dataclass, field

from culm.client.prun_options import option


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The options of a workflow's submission; lists are comma-separated, as on the command line."""

    cwl: str = field(metadata=option("run", "--cwl", "The workflow: a CWL file, or file.cwl#name."))
    out_ds: str = field(
        metadata=option("output", "--outDS", "What the names of its datasets begin with.")
    )
    yaml: str = field(
        default="", metadata=option("input", "--yaml", "Its inputs: a YAML or JSON file.")
    )
    work_dir: str = field(
        default=".",
        metadata=option("files", "--workDir", "Only files below it are sent; all tasks get them."),
    )
    no_sandbox: bool = field(
        default=False, metadata=option("files", "--noSandbox", "Send the documents only.")
    )
    max_file_size: str = field(
        default="10MB", metadata=option("files", "--maxFileSize", "Files over this are not sent.")
    )
    ext_file: str | None = field(
        default=None,
        metadata=option("files", "--extFile", "Patterns of files to send even if they are big."),
    )
    exclude_file: str | None = field(
        default=None, metadata=option("files", "--excludeFile", "Patterns of files not to send.")
    )
