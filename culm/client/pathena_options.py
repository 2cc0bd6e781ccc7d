"""The options of `pathena`: those of prun, and what Athena has beside (documentation, 4.1.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from culm.client.prun_options import INTERNAL, Prun, option

GROUPS = {
    "trf": "What to run: Athena",
    "background": "Input for pile-up and beam background",
    "events": "Which events",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pathena(Prun):
    """The options of an Athena task; lists are comma-separated, as on the command line."""

    COMMAND: ClassVar[str] = "culm pathena"

    exec: str = field(default="", metadata=INTERNAL)
    job_options: str | None = field(
        default=None,
        metadata=option(
            "trf", "--jobOptions", "Job options that athena runs, in order (or as arguments)."
        ),
    )
    trf: str | None = field(
        default=None,
        metadata=option(
            "trf",
            "--trf",
            "Transformations, several with ; between. Replaced in them: %IN, %OUT.SUFFIX (an "
            "output of this name), %MAXEVENTS, %SKIPEVENTS, %FIRSTEVENT:base, %RNDM:base, "
            "%DB:DATASET:FILE, %DB:LATEST, %MININ, %LOMBIN, %HIMBIN, %CAVIN, %BHIN, %BGIN.",
        ),
    )
    one_liner: str | None = field(
        default=None,
        metadata=option("trf", "--oneLiner", "What athena does before the job options (its -c)."),
    )
    ext_out_file: str | None = field(
        default=None,
        metadata=option(
            "trf", "--extOutFile", "Files that job options write, comma-separated: as --outputs."
        ),
    )
    athena_tag: str | None = field(
        default=None,
        metadata=option(
            "trf",
            "--athenaTag",
            "The release: AnalysisBase,21.2.40 (default: that of this shell, if it has one).",
        ),
    )
    no_setup: bool = field(
        default=False,
        metadata=option("trf", "--noSetup", "Do not set the release up: the jobs find it there."),
    )
    split: int | None = field(
        default=None, metadata=option("trf", "--split", "How many jobs: as --nJobs.")
    )
    min_ds: str | None = field(
        default=None, metadata=option("background", "--minDS", "Minimum bias, for %MININ.")
    )
    n_min: int = field(default=1, metadata=option("background", "--nMin", "Files of it a job."))
    low_min_ds: str | None = field(
        default=None, metadata=option("background", "--lowMinDS", "Low pT, for %LOMBIN.")
    )
    n_low_min: int = field(
        default=1, metadata=option("background", "--nLowMin", "Files of it a job.")
    )
    high_min_ds: str | None = field(
        default=None, metadata=option("background", "--highMinDS", "High pT, for %HIMBIN.")
    )
    n_high_min: int = field(
        default=1, metadata=option("background", "--nHighMin", "Files of it a job.")
    )
    cav_ds: str | None = field(
        default=None, metadata=option("background", "--cavDS", "Cavern background, for %CAVIN.")
    )
    n_cav: int = field(default=1, metadata=option("background", "--nCav", "Files of it a job."))
    beam_halo_ds: str | None = field(
        default=None, metadata=option("background", "--beamHaloDS", "Beam halo, for %BHIN.")
    )
    n_beam_halo: int = field(
        default=1, metadata=option("background", "--nBeamHalo", "Files of it a job.")
    )
    beam_gas_ds: str | None = field(
        default=None, metadata=option("background", "--beamGasDS", "Beam gas, for %BGIN.")
    )
    n_beam_gas: int = field(
        default=1, metadata=option("background", "--nBeamGas", "Files of it a job.")
    )
    event_pick_evt_list: str | None = field(
        default=None,
        metadata=option(
            "events",
            "--eventPickEvtList",
            "File with a run and an event number a line, and, if you know it, the input file's "
            "name: only those events are read.",
        ),
    )
    event_pick_data_type: str | None = field(
        default=None,
        metadata=option("events", "--eventPickDataType", "The kind of data: AOD, ESD, RAW, …"),
    )
    event_pick_stream_name: str | None = field(
        default=None,
        metadata=option("events", "--eventPickStreamName", "The stream: physics_CosmicCaloEM."),
    )
    event_pick_ds: str | None = field(
        default=None,
        metadata=option("events", "--eventPickDS", "Look in these datasets only: patterns."),
    )
    event_pick_ami_tag: str | None = field(
        default=None, metadata=option("events", "--eventPickAmiTag", "The processing: r733.")
    )
    event_pick_lookup: str | None = field(
        default=None,
        metadata=option(
            "events",
            "--eventPickLookup",
            "The plugin that finds the files of events (default: by the names of datasets).",
        ),
    )
