"""`culm cwl-runner`: run one document of standard CWL to its end, as every CWL runner does."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from culm.cli.context import settings_of
from culm.cli.render import print_json, say
from culm.wire.workflows import UNSUPPORTED

if TYPE_CHECKING:
    from culm.client import Client
    from culm.client.cwl_files import Named
    from culm.core.settings import Settings
    from culm.wire.workflow_runs import WorkflowView

app = typer.Typer(rich_markup_mode=None)

EXIT_UNSUPPORTED = 33
"""What the CWL project's tests take for "this runner cannot do that"."""


@app.command()
def cwl_runner(
    ctx: typer.Context,
    document: Annotated[str, typer.Argument(help="A CWL file, or file.cwl#name.")],
    job: Annotated[Path | None, typer.Argument(help="Its inputs: a YAML or JSON file.")] = None,
    outdir: Annotated[Path, typer.Option(help="The folder for output files.")] = Path(),
    quiet: Annotated[bool, typer.Option("--quiet", help="Say only what goes wrong.")] = False,
) -> None:
    """Run a CWL document of tools and print its output object as JSON.

    It runs at the server that the settings name. If that is this machine's and it is not up, all
    that is needed is started for the length of the run; to save the start: culm up --detach.
    Exit code 33: the document needs something of CWL that is not supported.
    """
    from culm.client.cwl_files import named_by

    named = named_by(document, job)
    with _client(settings_of(ctx), quiet=quiet) as client:
        raise typer.Exit(_run(client, named, outdir, quiet=quiet))


def _run(client: Client, named: Named, outdir: Path, *, quiet: bool) -> int:
    from culm.cli.progress import workflows_shown
    from culm.client.cwl_outputs import bring_outputs
    from culm.wire.views import CommandRequest

    workflow_id = _submit(client, named, quiet=quiet)
    try:
        with nullcontext() if quiet else workflows_shown() as show:
            (found,) = client.wait_workflows([workflow_id], None, show)
    except KeyboardInterrupt:
        client.command_workflow(workflow_id, CommandRequest(command="kill"))
        raise
    if found.status != "done":
        return _failed(client, found)
    print_json(bring_outputs(client, found.outputs, outdir, named.root))
    return 0


def _submit(client: Client, named: Named, *, quiet: bool) -> int:
    from culm.client.sandbox import Chosen
    from culm.wire.workflow_runs import WorkflowSubmission
    from culm.wire.workflows import WorkflowBundle

    name = f"user.{client.whoami().user}.cwl.{secrets.token_hex(6)}"
    bundle = WorkflowBundle(
        name=name, cwl=named.main, yaml=named.order, files=named.documents,
    )  # fmt: skip
    digest = client.send_sandbox(Chosen(files=named.files, left_out=()))
    accepted = client.submit_workflow(WorkflowSubmission(bundle=bundle, sandbox=digest))
    for warning in () if quiet else accepted.warnings:
        say(f"warning: {warning}")
    return accepted.workflow_id


def _failed(client: Client, found: WorkflowView) -> int:
    """Say why a workflow failed; the exit code."""
    reasons = [step.reason for step in client.steps(found.workflow_id) if step.reason]
    say(f"culm: workflow {found.workflow_id} {found.status}: {found.reason}")
    return EXIT_UNSUPPORTED if any(UNSUPPORTED in reason for reason in reasons) else 1


@contextmanager
def _client(settings: Settings, *, quiet: bool) -> Iterator[Client]:
    """A client of the server that the settings name, or of one that lives as long as this."""
    from culm.cli.supervisor import answers
    from culm.client import Client
    from culm.core.settings import load_settings, local_server_url

    here = local_server_url(settings)
    if settings.server_url.rstrip("/") != here or answers(f"{here}/v1/ready"):
        with Client(settings=settings) as client:
            yield client
        return
    from culm.cli.demo import parts
    from culm.cli.demo.steps import step

    token = settings.data_dir / "tokens" / "user.token"
    own = load_settings({"data_dir": settings.data_dir, "server_url": here, "token_file": token})
    starting = nullcontext() if quiet else step("starting server, daemon and pilot")
    with (
        parts.all_parts(own, keep=False, starting=starting, words=("--no-prefect",)),
        Client(settings=own, token_file=token) as client,
    ):
        yield client
