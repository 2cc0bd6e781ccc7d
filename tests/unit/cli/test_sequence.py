"""Sequence files: what is taken, what is refused and where, what a step does, what a notice says.

The examples are those of psequencer's document, with names of sites and datasets of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from culm.cli.main import run
from culm.cli.sequence.panda_cfg import MailAccess, mail_access
from culm.cli.sequence.results import Ended, Result, tasks_submitted
from culm.cli.sequence.running import run_sequence
from culm.cli.sequence.sections import read_sections
from culm.cli.sequence.steps import script_of
from culm.core.errors import Misconfigured, UserError
from culm.wire.notices import TaskSummary
from tasks.notices.letter import letter

NOTICE = """\
Summary of JobID : 123

Created : 2008-08-23 03:31:47 (UTC)
Ended   : 2008-08-23 14:41:24 (UTC)

Site      : ANALY_LONG_BNL_ATLAS

Total Number of Jobs : 800
      Succeeded : 681
      Partial   : 100
      Failed    : 19

In  : user08.KeteviAAssamagan.lxplus213_54.lib._000070
In  : user08.KeteviAAssamagan.005008.CavernInputSF05.simul.pool.v18
In  : ddo.000001.Atlas.Ideal.DBRelease.v050601
Out : user08.KeteviAAssamagan.005008.CavernInputSF05.RDO.pool.v3
"""
GOOD = Ended(123, "ANALY_LONG_BNL_ATLAS", 800, 681, 100, 19, [
    "user08.KeteviAAssamagan.lxplus213_54.lib._000070",
    "user08.KeteviAAssamagan.005008.CavernInputSF05.simul.pool.v18",
    "ddo.000001.Atlas.Ideal.DBRelease.v050601",
], ["user08.KeteviAAssamagan.005008.CavernInputSF05.RDO.pool.v3"])  # fmt: skip


class Told:
    """Ends of tasks as a test says them: each is told after so many questions."""

    def __init__(self, ends: Mapping[int, Ended], after: int = 0) -> None:
        self._ends, self._after = ends, after

    def of(self, task_id: int, *, blocking: bool) -> Ended | None:
        self._after -= 1
        return self._ends[task_id] if blocking or self._after < 0 else None

    def running(self) -> list[int]:
        return [1]

    def frozen(self) -> list[int]:
        return [2, 1]


def ran(text: str, ends: Any = None) -> int:
    return run_sequence(read_sections(text, "seq.txt"), "seq.txt", ends or Told({}), verbose=False)


def test_documented_notice_gives_the_documented_attributes() -> None:
    assert Ended.of_mail(NOTICE) == GOOD
    assert Ended.of_mail("Hello,\nlet us meet\n") is None
    result = Result(0, "", GOOD)
    assert (result.status, result.JobID, result.Succeeded, result.In) == (0, 123, 681, GOOD.In)
    with pytest.raises(AttributeError, match="it has status, output, JobID, Site, Jobs"):
        _ = result.Suceeded
    with pytest.raises(AttributeError, match="only if its step submitted a task"):
        _ = Result(0, "").JobID


def test_what_the_server_writes_is_read_back() -> None:
    summary = TaskSummary(
        task_id=123, name="user.a.x", user="a", status="finished", final=True, reason="19 of 800",
        created_at="2008-08-23T03:31:47Z", ended_at="2008-08-23T14:41:24Z",
        sites=("ANALY_LONG_BNL_ATLAS",), n_jobs=800, n_succeeded=681, n_partial=100, n_failed=19,
        inputs=tuple(GOOD.In), outputs=tuple(GOOD.Out),
    )  # fmt: skip
    message = letter(summary, 7, "culm@example.org", "a@example.org")
    body = message.get_content()
    assert body.startswith(NOTICE)
    assert Ended.of_mail(body) == GOOD == Ended.of_summary(summary)
    assert message["Message-ID"] == "<culm-notice-7-123@example.org>"


def test_steps_hand_on_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Getting started: one step's result decides on the next; three commands in a step."""
    monkeypatch.chdir(tmp_path)
    text = """
### Step1
date > aho.dat
mv aho.dat aho.dat.back
echo "task 10000001 user.a.x registered" >&2

### Step2
echo got it > out
exit 4

### Sequence
Step1.execute()
result = Step1.result()
if result.status == 0 and result.Failed == 0:
    Step2.execute()
    sys.exit(Step2.result().status)
"""
    ended = Ended(10000001, Jobs=1, Succeeded=1)
    assert ran(text, Told({10000001: ended})) == 4
    assert Path("out").read_text() == "got it\n"
    assert Path("aho.dat.back").exists()


def test_documented_retry_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = """
### AOD_Step
echo x >> tries
echo "new jediTaskID=1000000$(wc -l < tries)"

### DPD_Step
echo 'JobID : 7'

### DQ2_Step
echo fetched >> log

### ROOT_Step
echo drawn >> log

### Sequence

nTry = 3
while nTry > 0:
    AOD_Step.execute()
    resAOD = AOD_Step.result()
    if resAOD.status == 0 and resAOD.Failed == 0:
        break
    nTry -= 1

DPD_Step.execute()
resDPD = DPD_Step.result()
if resDPD.status == 0 and resDPD.Succeeded > 10:
    DQ2_Step.execute()
    ROOT_Step.execute()
"""
    ends = {10000001: Ended(10000001, Jobs=3, Failed=3),
            10000002: Ended(10000002, Jobs=3, Succeeded=3), 7: Ended(7, Succeeded=11)}  # fmt: skip
    assert ran(text, Told(ends)) == 0
    assert Path("tries").read_text() == "x\nx\n"
    assert Path("log").read_text() == "fetched\ndrawn\n"


def test_documented_jobs_from_outside(capsys: pytest.CaptureFixture[str]) -> None:
    """As written for Python 2: print without brackets."""
    text = """
### Sequence
job = getPandaJob(123)
res = job.result()
print res.status

rjobs = getRunningPandaJobs()
for tmpjob in rjobs:
    tmpres = tmpjob.result()
    print tmpres.status

fjobs = getFrozenPandaJobs()
for tmpjob in fjobs:
    tmpres = tmpjob.result()
    print tmpjob.JobID, tmpres.status
"""
    ends = {123: GOOD, 1: Ended(1, Failed=1), 2: Ended(2, Succeeded=1)}
    assert ran(text, Told(ends)) == 0
    assert capsys.readouterr().out == "0\n1\n2 0\n1 1\n"


def test_documented_parameters_of_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = """
### StepXX
echo -f $OUTFILE "$OUTDATASET" > got

### Sequence
var = {}
var['OUTFILE'] = 'AOD.073447._000111.pool.root.1'
var['OUTDATASET'] = 'it\\'s "one"; $HOME'
StepXX.execute(env=var)
"""
    assert ran(text) == 0
    assert Path("got").read_text() == '-f AOD.073447._000111.pool.root.1 it\'s "one"; $HOME\n'
    step = read_sections(text, "s").steps["StepXX"]
    assert script_of(step, {"OUTFILE": "a b"}).startswith("#!/bin/bash\nexport OUTFILE='a b'\necho")
    with pytest.raises(ValueError, match="'A B' is no name of a variable"):
        script_of(step, {"A B": 1})


def test_documented_way_without_blocking() -> None:
    text = """
### step
echo 'JobID : 7'

### Sequence
step.execute()
n = 0
while True:
    res = step.result(blocking=False)
    if res != None:
        break
    n += 1
    time.sleep(0)
sys.exit(n)
"""
    assert ran(text, Told({7: Ended(7)}, after=2)) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "seq.txt:0: Sequence: there is no ### Sequence section"),
        ("### A\ntrue\n", "seq.txt:2: Sequence: there is no"),
        ("### Sequence\nx = 1\n### A\ntrue\n", "seq.txt:1: Sequence: the ### Seq"),
        ("echo 1\n### Sequence\n", "seq.txt:1: echo: stands before the first"),
        ("###\n### Sequence\n", "seq.txt:1: ###: a section needs a name"),
        ("### A step\n### Sequence\n", "seq.txt:1: A step: a step's name is one word"),
        ("### for\n### Sequence\n", "seq.txt:1: for: a step's name"),
        ("### A\n### A\n### Sequence\n", "seq.txt:2: A: is a step already, in line 1"),
        ("### time\n### Sequence\n", "seq.txt:1: time: means something else"),
        ("### A\n\n### Sequence\n\nif A.result():\npass\n", "seq.txt:6: pass: expected an"),
        ("### Step1\n### Sequence\nStp1.execute()\n", "seq.txt:3: Stp1: unknown; did you mean"),
        ("### A\n### Sequence\nA.exceute()\n",
         "seq.txt:3: A.exceute: unknown; did you mean execute?"),
        ("### Sequence\ngetPandaJobs(1)\n", "seq.txt:2: getPandaJobs: unknown; did you mean"),
        ("### Sequence\nx = 'a\n", "seq.txt:2: x: unterminated string literal"),
    ],
)  # fmt: skip
def test_errors_are_named_by_file_line_and_word(text: str, words: str) -> None:
    with pytest.raises(UserError) as wrong:
        read_sections(text, "seq.txt")
    assert words in str(wrong.value)
    assert wrong.value.exit_code == 2


def test_nothing_is_run_of_a_file_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    Path("s.txt").write_text("### A\ntouch made\n### Sequence\nA.execute()\nstep.execute()\n")
    assert run(["sequence", "s.txt"]) == 2
    assert "s.txt:5: step: unknown; known are A, get" in capsys.readouterr().err
    assert not Path("made").exists()
    assert run(["sequence", "none.txt"]) == 2
    assert "none.txt: No such file" in capsys.readouterr().err
    Path("good.txt").write_text("### A\ntouch made\n### Sequence\nA.execute()\n")
    assert run(["sequence", "--check", "good.txt"]) == 0
    assert "1 steps and a sequence, nothing is wrong" in capsys.readouterr().err
    assert not Path("made").exists()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("A.result()", "seq.txt:4: NotExecuted: A.result(): A was not executed before"),
        ("A.execute()\nx = A.result().Failed", "seq.txt:5: AttributeError: a result has"),
        ("1 / 0", "seq.txt:4: ZeroDivisionError"),
    ],
)  # fmt: skip
def test_error_of_a_sequence_names_its_line(
    capsys: pytest.CaptureFixture[str], code: str, words: str
) -> None:
    assert ran(f"### A\ntrue\n### Sequence\n{code}\n") == 1
    assert words in capsys.readouterr().err


def test_ids_are_found_in_what_commands_say() -> None:
    said = (
        "task 10000004 user.a.x registered\n10000004\nINFO : new jediTaskID=10000005\nJobID : 9\n"
    )
    assert list(tasks_submitted(said)) == [10000004, 10000005, 9]
    assert list(tasks_submitted("multitask 10000004 x y\n10000004\n")) == []


def test_mail_of_the_documentation(tmp_path: Path) -> None:
    path = tmp_path / "panda.cfg"
    path.write_text(
        "[sequencer]\nmail_protocol = pop3\nmail_host = email.britannia.vi\nmail_port = 995\n"
        "mail_user = lelouch\nmail_pass = Qa%hcX45b0_$\nmail_ssl = True\nmail_interval = 5\n"
        "mail_keepalive = False\n"
    )
    found = mail_access(path)
    assert found == MailAccess(
        protocol="pop3", host="email.britannia.vi", port=995, user="lelouch",
        password="Qa%hcX45b0_$", ssl=True, interval_minutes=5, keepalive=False,
    )  # fmt: skip
    assert "Qa%h" not in repr(found)
    path.write_text("[book]\nx = 1\n")
    assert mail_access(path) is None
    assert mail_access(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("mail_protocol = imaps", "mail_protocol: 'imaps' - unknown; did you mean imap?"),
        ("mail_hots = x", "mail_hots: given - unknown; did you mean mail_host?"),
        ("mail_user =", "mail_user: missing - is needed"),
        ("mail_ssl = perhaps", "mail_ssl: 'perhaps' - True or False"),
        ("mail_port = many", "mail_port: 'many' - a number"),
        ("mail_interval = 0", "mail_interval: '0' - a number above zero"),
        ("no entry here", "panda.cfg cannot be read"),
    ],
)
def test_wrong_entries_are_named(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "panda.cfg"
    entries = {"mail_protocol": "imap", "mail_host": "h", "mail_user": "u", "mail_pass": "p"}
    entries.pop(line.split(" ", maxsplit=1)[0], None)
    rest = "".join(f"{name} = {value}\n" for name, value in entries.items())
    path.write_text(f"[sequencer]\n{rest}{line}\n")
    with pytest.raises(Misconfigured) as wrong:
        mail_access(path)
    assert words in str(wrong.value)
