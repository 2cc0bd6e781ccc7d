"""panda-client 2.2.0 from PyPI, unmodified: every kind of task to its end, every command."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.audit import audit
from tasks.lifecycles import TASK as MACHINE
from tasks.store.books import Books
from tests.images import an_image, needs_bubblewrap
from tests.installation import Installation, wait_until
from tests.panda_client import PandaClient

pytestmark = pytest.mark.slow
MERGE = """
import sys
out, ins = sys.argv[2], sys.argv[4].split(",")
open(out, "w").write("".join(sorted(open(name).read() for name in ins)))
"""
CWL = """
cwlVersion: v1.0
class: Workflow
inputs: []
outputs: {outDS: {type: string, outputSource: bottom/outDS}}
steps:
  top:
    run: prun
    in:
      opt_exec: {default: "echo %RNDM:10 > seed.txt"}
      opt_args: {default: "--outputs seed.txt --nJobs 2"}
    out: [outDS]
  bottom:
    run: prun
    in:
      opt_inDS: top/outDS
      opt_exec: {default: "cat %IN > results.txt"}
      opt_args: {default: "--outputs results.txt --nFilesPerJob 1"}
    out: [outDS]
"""
WFD = """
inputs: {raw: user.root.indata}
steps:
  top: {type: prun, inDS: "{raw}", exec: "cat %IN > t.txt", args: "--outputs t.txt"}
  end: {type: prun, inDS: top/outDS, exec: "cat %IN > e.txt", args: "--outputs e.txt"}
outputs: {result: {from: end/outDS}}
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("panda")
    url = f"sqlite:///{folder}/culm.db"
    running = Installation(folder, url)
    running.start_all(pilots=0)
    queue = running.api("GET", "/v1/queues/LOCAL").json()
    settings = queue["settings"] | {"heartbeat_seconds": 1}  # soon told to kill a job
    changed = {"site": queue["site"], "settings": settings}
    running.api("PUT", "/v1/queues/LOCAL", json=changed).raise_for_status()
    running.start("pilot", "pilot", "--queue", "LOCAL", "--work-dir", str(folder / "work"),
                  "--slots", "3", "--cores", "3", "--batch", "3",
                  "--images", str(an_image(folder / "images")))  # fmt: skip
    yield running
    running.stop()
    with Books(url) as books, books.read() as session:
        assert audit(session) == []


@pytest.fixture(scope="module")
def client(parts: Installation) -> PandaClient:
    return PandaClient.of(parts)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a user works."""
    folder = tmp_path_factory.mktemp("here")
    (folder / "hello.sh").write_text("echo hello $1\n")
    (folder / "merge.py").write_text(MERGE)
    return folder


@pytest.fixture(scope="module")
def data(parts: Installation, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("data")
    for name, n_files in (("indata", 4), ("second", 2)):
        paths = [folder / f"{name}{number}.txt" for number in range(n_files)]
        for number, path in enumerate(paths):
            path.write_text(f"{name} {number}\n")
        parts.culm("dataset", "add", f"user.root.{name}", *map(str, paths))


def status_of(parts: Installation, task_id: int) -> str:
    status: str = parts.api("GET", f"/v1/tasks/{task_id}").json()["status"]
    return status


def ended(parts: Installation, *task_ids: int) -> list[str]:
    """The final statuses of tasks, once they have them."""

    def all_final() -> bool:
        return all(status_of(parts, task_id) in MACHINE.final for task_id in task_ids)

    wait_until(all_final, f"tasks {task_ids} end")
    return [status_of(parts, task_id) for task_id in task_ids]


def content(parts: Installation, dataset: str, folder: Path) -> dict[str, str]:
    """The files of a dataset by name."""
    parts.culm("dataset", "get", dataset, "--dir", str(folder / dataset))
    return {path.name: path.read_text() for path in (folder / dataset).rglob("*.*")
            if path.is_file()}  # fmt: skip


def prun(client: PandaClient, here: Path, name: str, *words: str, command: str = "prun") -> int:
    """Submit; the task's number."""
    done = client.run(command, *words, "--outDS", f"user.root.{name}", folder=here)
    found = re.search(r"jediTaskID=(\d+)", done.stdout)
    assert done.returncode == 0, done.stdout + client.parts.logs()
    assert found is not None, done.stdout
    return int(found[1])


def test_every_kind_of_task_runs_to_its_end(
    parts: Installation, client: PandaClient, here: Path, data: None, tmp_path: Path
) -> None:
    first = prun(client, here, "hello", "--noBuild", "--exec", "sh hello.sh %RNDM:10 > out.txt",
                 "--outputs", "out.txt", "--nJobs", "2", "--memory", "500")  # fmt: skip
    # (a): smaller numbers would be taken for requests.
    assert first == 10000001
    merged = prun(
        client, here, "merged", "--noBuild", "--exec", "cat %IN2 > out.txt; echo %IN >> out.txt",
        "--inDS", "user.root.indata/", "--match", "*0.txt,*1.txt", "--nFilesPerJob", "1",
        "--secondaryDSs", "IN2:1:user.root.second/", "--outputs", "out.txt",
        "--mergeOutput", "--mergeScript", "python3 merge.py -o %OUT -i %IN",
    )  # fmt: skip
    built = prun(client, here, "built", "--bexec", "echo built here > lib.txt", "--exec",
                 "cp lib.txt a.root", "--outputs", "a.root")  # fmt: skip
    client.pbook('set_secret("word", "swordfish")', here)
    secret = prun(client, here, "secret", "--noBuild", "--useSecrets", "--exec",
                  "cp panda_secrets.json x1.json; cp x1.json x2.json",
                  "--outputs", "x*.json")  # fmt: skip
    # Same files, same content: sent once, and once more as what is built.
    assert len(list((parts.folder / "data" / "sandboxes").rglob("?" * 64))) == 2
    assert ended(parts, first, merged, built, secret) == ["done"] * 4
    assert content(parts, "user.root.hello_out.txt", tmp_path) == {
        f"user.root.{first}._000001.out.txt": "hello 10\n",
        f"user.root.{first}._000002.out.txt": "hello 11\n",
    }
    [text] = content(parts, "user.root.merged_out.txt", tmp_path).values()
    assert sorted(text.split("\n")) == ["", "indata0.txt", "indata1.txt", "second 0", "second 1"]
    assert content(parts, "user.root.built_a.root", tmp_path) == {
        f"user.root.{built}._000001.a.root": "built here\n"}  # fmt: skip
    names = parts.api("GET", "/v1/datasets/user.root.secret_xXYZ.json.tgz/files").json()["files"]
    assert [file["lfn"] for file in names] == [f"user.root.{secret}._000001.xXYZ.json.tgz"]
    # The name of a task that has ended: it takes up new parameters and input.
    again = prun(client, here, "built", "--bexec", "echo built anew > lib.txt", "--exec",
                 "cp lib.txt a.root", "--outputs", "a.root")  # fmt: skip
    assert (again, ended(parts, again)) == (built, ["done"])
    shown = client.pbook("show()", here)
    assert re.findall(r"(\d{8})\s+\d+\s+done\s+100%\s+(\S+)", shown) == [
        (str(secret), "user.root.secret/"), (str(built), "user.root.built/"),
        (str(merged), "user.root.merged/"), (str(first), "user.root.hello/"),
    ]  # fmt: skip


@needs_bubblewrap
def test_container_runs_to_its_end(
    parts: Installation, client: PandaClient, here: Path, tmp_path: Path
) -> None:
    number = prun(client, here, "cont", "--noBuild", "--containerImage", "docker://tiny", "--exec",
                  "cat /of_the_image > o.dat", "--outputs", "o.dat")  # fmt: skip
    assert ended(parts, number) == ["done"]
    assert content(parts, "user.root.cont_o.dat", tmp_path) == {
        f"user.root.{number}._000001.o.dat": "inside\n"}  # fmt: skip


PHPO = {
    "nParallelEvaluation": 2, "maxPoints": 2, "maxEvaluationJobs": 4, "nPointsPerIteration": 2,
    "minUnevaluatedPoints": 1, "steeringContainer": "docker://steering", "steeringExec":
    'run --rm -v $(pwd):/HPOiDDS img /bin/bash -c "python3 steer.py %NUM_POINTS %OUT"',
    "searchSpaceFile": "space.json", "evaluationExec": "bash exec.sh", "evaluationInput":
    "input.json", "evaluationOutput": "output.json", "evaluationContainer": "docker://busybox",
}  # fmt: skip
STEER = """
import json, sys
json.dump([{"x": n / 10} for n in range(int(sys.argv[1]))], open(sys.argv[2], "w"))
"""
EVALUATE = """
import json
json.dump({"status": 0, "loss": json.load(open("input.json"))["x"]}, open("output.json", "w"))
"""


def test_search_is_submitted_by_phpo(parts: Installation, client: PandaClient, here: Path) -> None:
    """(g): it names another organisation and transform, and a gzipped sandbox .tar."""
    space = {"x": {"method": "uniform", "dimension": {"low": 0, "high": 1}}}
    (here / "space.json").write_text(json.dumps(space))
    (here / "conf.json").write_text(json.dumps(PHPO))
    (here / "steer.py").write_text(STEER)
    (here / "evaluate.py").write_text(EVALUATE)
    (here / "exec.sh").write_text("python3 evaluate.py\n")
    number = prun(client, here, "hpo", "--loadJson", "conf.json", command="phpo")
    spec = parts.api("GET", f"/v1/tasks/{number}/parameters").json()
    assert (spec["command"], spec["search"]["max_points"]) == ("bash exec.sh", 2)
    assert spec["search"]["steering_command"] == "python3 steer.py %NUM_POINTS %OUT"
    assert spec["sandbox"] is not None
    sent = client.python(
        f"from pandaclient import Client; import json\n"
        f"print(json.dumps(Client.getTaskParamsMap({number})[1]))", here,
    )  # fmt: skip
    assert (sent["vo"], sent["transPath"].rpartition("/")[2]) == ("atlas", "runHPO-00-00-01")
    client.pbook(f"kill({number})", here)
    ended(parts, number)
    # No engine is here that could run its images: the same without them.
    sent |= {"taskName": "user.root.hpo2/", "container_name": None}
    sent["hpoRequestData"]["sandbox"] = None
    (here / "sent.json").write_text(json.dumps(sent))
    again = client.python("""
import json
from pandaclient import panda_api
print(json.dumps(panda_api.get_api().submit_task(json.load(open("sent.json")))[1][1]))
""", here).rpartition("=")[2]  # fmt: skip
    assert ended(parts, int(again)) == ["done"]
    search = parts.api("GET", f"/v1/tasks/{again}/search").json()
    assert [(point["status"], point["loss"]) for point in search["points"]] == [
        ("evaluated", 0.0)] * 2  # fmt: skip


def test_workflows_are_checked_and_run(
    parts: Installation, client: PandaClient, data: None, tmp_path: Path
) -> None:
    here = tmp_path / "chain"
    here.mkdir()
    (here / "wf.cwl").write_text(CWL)
    (here / "bad.cwl").write_text(CWL.replace("top/outDS", "tip/outDS"))
    (here / "in.yaml").write_text("{}")
    (here / "wfd.yaml").write_text(WFD)
    chain = ("--cwl", "wf.cwl", "--yaml", "in.yaml", "--outDS", "user.root.chain")
    checked = client.run("pchain", *chain, "--check", folder=here).stdout
    assert "successfully verified workflow description" in checked
    assert "Parent: 000_top" in checked
    bad = client.run("pchain", "--cwl", "bad.cwl", *chain[2:], "--check", folder=here).stdout
    assert "workflow description is corrupted" in bad
    assert "there is no step tip; did you mean top/outDS?" in bad
    assert parts.api("GET", "/v1/workflows").json()["workflows"] == []
    sent = client.run("pchain", *chain, folder=here)
    assert (sent.returncode, "request_id=1" in sent.stdout) == (0, True), sent.stdout
    # (i): --check is dropped by this one, so that it submits.
    native = client.run("pchain_native", "--wfd", "wfd.yaml", "--outDS", "user.root.native",
                        "--check", folder=here).stdout  # fmt: skip
    assert "workflow_id': 2" in native

    def final(number: int) -> bool:
        return bool(parts.api("GET", f"/v1/workflows/{number}").json()["final"])

    wait_until(lambda: final(1) and final(2), "workflows end")
    shown = client.pbook("show_workflow(1)", here)
    assert "request_id=1 user.root.chain done" in shown
    assert re.search(r"bottom \[prun\] done jediTaskID=\d+ \(done\)", shown)
    assert re.search(r"end\s+done\s+panda_task", client.pbook("show_native_workflow(2)", here))
    refused = client.pbook("kill_workflow(1)", here)
    assert "workflow 1 is done: kill needs one of finishing, paused, registered, running" in refused
    assert "no workflow 77 of yours" in client.pbook("show_workflow(77)", here)
    # The tasks of a request are found by its number, as pbook knows them.
    assert len(re.findall(r"user\.root\.chain_", client.pbook("show(1)", here))) == 2


def test_relay_host_is_another_server(client: PandaClient, here: Path, tmp_path: Path) -> None:
    """(h): the client goes to port 25443 there; nothing of it comes here."""
    (here / "wf.cwl").write_text(CWL)
    (here / "in.yaml").write_text("{}")
    done = client.run("pchain", "--cwl", "wf.cwl", "--yaml", "in.yaml", "--relayHost", "127.0.0.1",
                      "--outDS", "user.root.relayed", folder=here)  # fmt: skip
    assert "workflow submit failed with 255" in done.stdout


API = """
import json, time
from pandaclient import Client, PBookCore, panda_api
api = panda_api.get_api()
core = PBookCore.PBookCore(); core.init()
TASK = json.loads(r'''{parameters}''')

def submit(name, command, **changes):
    text = json.dumps(TASK).replace("user.root.base", "user.root." + name)
    items = json.loads(text) | changes
    for item in items["jobParameters"]:
        if item["value"] == "COMMAND":
            item["value"] = command
    status, (code, words) = api.submit_task(items)
    assert (status, code) == (0, 0), words
    return int(words.rpartition("=")[2])

def until(task, *statuses):
    end = time.monotonic() + 60
    while Client.getTaskStatus(task)[1] not in statuses:
        assert time.monotonic() < end, (task, Client.getTaskStatus(task))
        time.sleep(0.1)
    return Client.getTaskStatus(task)[1]

def again(task, n_jobs):
    end = time.monotonic() + 60
    while len(Client.getPandaIDsWithTaskID(task)[1]) < n_jobs:
        assert time.monotonic() < end, task
        time.sleep(0.1)
    return until(task, "finished")
"""
TASK = {
    "taskName": "user.root.base/", "vo": "testvo", "noInput": True, "nEvents": 2,
    "nEventsPerJob": 1, "maxAttempt": 1, "skipScout": True, "ramCount": 500,
    "processingType": "panda-client-2.2.0-jedi-run",
    "jobParameters": [
        {"type": "constant", "value": '-j "" --sourceURL ${SURL}'},
        {"type": "constant", "value": '-p "', "padding": False},
        {"type": "constant", "value": "COMMAND", "padding": False},
        {"type": "template", "value": "${SEQNUMBER}", "param_type": "pseudo_input",
         "dataset": "seq_number", "padding": False},
        {"type": "constant", "value": '"'},
    ],
}  # fmt: skip


def program(text: str) -> str:
    return API.replace("{parameters}", json.dumps(TASK)) + text


def test_commands_tell_what_the_books_say(client: PandaClient, here: Path) -> None:
    said: dict[str, Any] = client.python(program("""
long = submit("long", "sleep%20300%3B%20echo%20")
until(long, "running")
job = Client.getPandaIDsWithTaskID(long)[1][0]
while Client.getFullJobStatus([job])[1][0].jobStatus != "running":
    time.sleep(0.1)
debug = Client.setDebugMode(job, True, False)
# (c): the client takes True for a failure.
found = {"debug": debug, "paused": core.pause(long), "then": until(long, "paused")}
found["resumed"] = Client.resumeTask(long), until(long, "running", "ready")
found["killed"] = Client.killTask(long)
found["end"] = until(long, "aborted")
found["again"] = Client.killTask(long)
found["missing"] = Client.killTask(10009999)
half = submit("half", "exit%20")
found["half"] = until(half, "finished")
found["retry"] = api.retry_task(half)
found["half2"] = again(half, 3)
found["changed"] = api.retry_task(half, {"ramCount": 600})
found["core3"] = core.retry(half, newOpts={"nFilesPerJob": "x"})
found["half3"] = again(half, 4)
found["sent"] = Client.getTaskParamsMap(half)[1]["ramCount"]
found["ram"] = Client.get_task_details_json(half)[1][1]["ramCount"]
bad = submit("bad", "false%20")
found["bad"] = until(bad, "failed")
found["noretry"] = api.retry_task(bad)
soft = submit("soft", "sleep%20")
until(soft, "running", "done")
found["soft"] = api.finish_task(soft, True)[1][0], until(soft, "done", "finished")
ids = Client.getPandaIDsWithTaskID(bad)[1]
found["jobs"] = [j.jobStatus for j in Client.getFullJobStatus(ids)[1]]
found["unsuccessful"] = len(Client.get_job_descriptions(bad, True)[1])
found["gone"] = Client.killJobs(ids)[1][0][0]
print(json.dumps(found))
"""), here)  # fmt: skip
    assert said["debug"][0] == 0
    assert re.match(r"job \d+ is told: debug", said["debug"][1])
    half = said["retry"][1][1].rpartition("=")[2]
    assert (said["paused"], said["then"], said["resumed"][0][1][0]) == (False, "paused", True)
    assert said["killed"][1][0] is True
    assert (said["end"], said["half"], said["half2"], said["half3"]) == (
        "aborted", "finished", "finished", "finished")  # fmt: skip
    assert said["again"][1][0] is False
    assert "is aborted: kill needs one of" in said["again"][1][1]
    assert said["missing"] == [0, [False, "no task 10009999 of yours"]]
    # (b): 0 for a plain retry, 3 where new parameters are taken up.
    assert said["retry"] == [0, [0, f"retry accepted for jediTaskID={half}"]]
    assert said["changed"] == [0, [3, f"incexec accepted for jediTaskID={half}"]]
    assert (said["core3"], said["ram"], said["sent"]) == (False, 600, 600)
    assert said["noretry"][1][0] == 4
    assert "is failed: retry needs one of" in said["noretry"][1][1]
    assert said["soft"][0] is True
    assert (said["jobs"], said["unsuccessful"], said["gone"]) == (["failed"] * 2, 2, False)


def test_lost_output_is_produced_again(
    parts: Installation, client: PandaClient, here: Path
) -> None:
    tried = client.pbook("recover_lost_files(10000001, test_mode=True)", here)
    assert "0 of 2 files of jediTaskID=10000001 are lost" in tried
    [lost] = (parts.folder / "data" / "storage").rglob("user.root.10000001._000001.out.txt")
    lost.unlink()
    said = client.pbook("recover_lost_files(10000001)", here)
    assert "1 of 2 files of jediTaskID=10000001 are lost; 1 inputs of 1 jobs are" in said
    datasets = "/v1/datasets/user.root.hello_out.txt/files"
    wait_until(lambda: len(parts.api("GET", datasets).json()["files"]) == 2, "it is there again")
    assert ended(parts, 10000001) == ["done"]


def test_pbook_says_why_a_command_failed(client: PandaClient, here: Path) -> None:
    """(f): its exit code does not always tell; its words do."""
    for line in ("kill(10000001)", "finish(10000001)"):
        assert "task 10000001 is done: " in client.pbook(line, here)
    shown = client.pbook('show(taskname="user.root.h*", status="done", format="plain")', here)
    assert "user.root.hello/" in shown
    assert "user.root.merged" not in shown
    assert "dumped to meta.json" in client.pbook(
        'get_user_job_metadata(10000001, "meta.json")', here
    )
    assert "word" in client.pbook("list_secrets()", here)
    assert "secret word deleted" in client.pbook('delete_secret("word")', here)
    assert "No secrets" in client.pbook("list_secrets()", here)


def test_bad_token_and_bad_name_are_told_to_the_user(
    parts: Installation, client: PandaClient, here: Path
) -> None:
    changed = client.variables["PANDA_AUTH_ID_TOKEN"][:-4] + "AAAA"
    forged = PandaClient(parts, client.variables | {"PANDA_AUTH_ID_TOKEN": changed})
    assert "the token is not good" in forged.pbook("kill(10000001)", here)
    words = ("--noBuild", "--exec", "true", "--outDS", "user.root.forged")
    done = forged.run("prun", *words, folder=here)
    assert (done.returncode != 0, "the token is not good" in done.stdout) == (True, True)
    bad = client.run("prun", *words, "--site", "LOCLA", folder=here)
    assert bad.returncode != 0
    assert "site: LOCLA - unknown; did you mean LOCAL?" in bad.stdout


def test_older_calls_that_cannot_be_served_say_so(client: PandaClient, here: Path) -> None:
    """(j): of the older calls, event picking has nothing to pick from."""
    (here / "events.txt").write_text("1 2\n")
    said = client.python("""
import contextlib, io, json
from pandaclient import Client, idds_api
out = io.StringIO()
with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
    Client.requestEventPicking("events.txt", "AOD", "", "", "", [], "", "user.root.x", "", "",
                               1, False, "")
print(json.dumps([out.getvalue(), idds_api.get_api(compress=True).ping()]))
""", here)  # fmt: skip
    assert "there is no event index here" in said[0]
    assert said[1][0] == 0
    assert "there is no iDDS here" in said[1][1][1]
