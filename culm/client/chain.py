"""Chain: what a user says to `chain`, and which files go along (documentation, 4.1.8)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from culm.client.option_files import loaded, wrong_options
from culm.client.prun_options import option
from culm.client.search_files import on_disk
from culm.core.errors import FieldFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The options of a workflow's submission; lists are comma-separated, as on the command line."""

    COMMAND: ClassVar[str] = "culm chain"

    load_json: str | None = field(
        default=None,
        metadata=option(
            "run", "--loadJson", "Take options from this JSON file; those given here win."
        ),
    )
    cwl: str = field(
        default="",
        metadata=option("run", "--cwl", "The workflow: a CWL file, or file.cwl#name."),
    )
    out_ds: str = field(
        default="",
        metadata=option("output", "--outDS", "What the names of its datasets begin with."),
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


def complete(options: Chain) -> Chain:
    """The options with those of the file that they name.

    Raises:
        InvalidRequest: the file is wrong, or what must be said is not.
    """
    options = loaded(options, on_disk)
    needed = {
        "--cwl": (options.cwl, "name the workflow"),
        "--outDS": (options.out_ds, "say what the names of its datasets begin with"),
    }
    faults = [FieldFault(flag, "missing", words) for flag, (value, words) in needed.items()
              if not value.strip()]  # fmt: skip
    if faults:
        raise wrong_options(Chain, faults)
    return options
