"""`culm retry-rule`: list, add, change and remove the rules of the retry module."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from culm.cli.administrators import for_administrators
from culm.cli.context import client_of
from culm.cli.options import options_from
from culm.cli.pairs import pair
from culm.cli.render import Json, print_fields, print_json, print_table, say, when
from culm.wire.codec import decode
from culm.wire.retry_rules import NewRetryRule, RetryRuleView

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True,
    help="What is made of errors: no retry, fewer, more memory or time, less input.",
)  # fmt: skip

RuleId = Annotated[int, typer.Argument(metavar="RULE", help="The rule's number.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List all rules."""
    found = client_of(ctx).retry_rules()
    if as_json:
        print_json(found)
        return
    print_table(
        ("rule", "source", "code", "message", "action", "active", "scope", "description"),
        map(_row, found),
    )


def _row(rule: RetryRuleView) -> tuple[object, ...]:
    scope = " ".join(filter(None, (rule.architecture, rule.release, rule.work_queue)))
    limit = "" if rule.max_retries is None else f"({rule.max_retries})"
    active = "yes" if rule.active else "no"
    code = "" if rule.code is None else rule.code
    return (rule.rule_id, rule.source, code, rule.pattern, f"{rule.action}{limit}", active, scope,
            rule.description)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A rule as it is typed."""

    source: str = field(
        metadata={"flag": "--source", "help": "payload, pilot, dispatcher or task_buffer."}
    )
    action: str = field(
        metadata={
            "flag": "--action",
            "help": "no_retry, limit_retry, increase_memory, increase_cpu_time, reduce_input.",
        }
    )
    code: int | None = field(
        default=None, metadata={"flag": "--code", "help": "The error's code (default: any)."}
    )
    pattern: str = field(
        default="",
        metadata={"flag": "--pattern", "help": "A Python regular expression on the message."},
    )
    max_retries: int | None = field(
        default=None, metadata={"flag": "--maxRetries", "help": "With limit_retry: how many."}
    )
    passive: bool = field(
        default=False,
        metadata={"flag": "--passive", "help": "Only say in the log what it would do."},
    )
    architecture: str = field(
        default="",
        metadata={
            "flag": "--architecture",
            "help": "For tasks alone that ask for this architecture, or for this platform.",
        },
    )
    release: str = field(
        default="",
        metadata={
            "flag": "--release",
            "help": "For tasks alone that ask for this release: Athena-21.0.38.",
        },
    )
    work_queue: str = field(
        default="", metadata={"flag": "--workQueue", "help": "For this global share alone."}
    )
    description: str = field(
        default="", metadata={"flag": "--description", "help": "Why there is such a rule."}
    )


@app.command()
@options_from(Options, "options")
def add(ctx: typer.Context, options: Options, as_json: Json = False) -> None:
    """Add a rule (admin): culm retry-rule add --source pilot --code 1305 --action no_retry."""
    values: dict[str, Any] = {
        name: getattr(options, name)
        for name in ("source", "action", "code", "pattern", "max_retries", "architecture",
                     "release", "work_queue", "description")
    }  # fmt: skip
    rule = decode(NewRetryRule, values | {"active": not options.passive}, "the rule")
    with for_administrators(ctx):
        made = client_of(ctx).add_retry_rule(rule)
    _print(made, as_json=as_json)


@app.command("set")
def set_(
    ctx: typer.Context,
    rule: RuleId,
    changes: Annotated[list[str], typer.Argument(metavar="NAME=VALUE…", help="What to change.")],
    as_json: Json = False,
) -> None:
    """Change a rule (admin): culm retry-rule set 3 active=false."""
    values = dict(pair(word) for word in changes)
    with for_administrators(ctx):
        found = client_of(ctx).set_retry_rule(rule, **values)
    _print(found, as_json=as_json)


@app.command()
def remove(ctx: typer.Context, rule: RuleId, as_json: Json = False) -> None:
    """Remove a rule (admin)."""
    with for_administrators(ctx):
        gone = client_of(ctx).remove_retry_rule(rule)
    if as_json:
        print_json(gone)
        return
    say(f"retry rule {gone.rule_id} is gone: {gone.action} on {gone.source} {gone.code or ''}")


def _print(rule: RetryRuleView, *, as_json: bool) -> None:
    if as_json:
        print_json(rule)
        return
    print_fields([
        ("rule", rule.rule_id), ("source", rule.source),
        ("code", "any" if rule.code is None else rule.code), ("message", rule.pattern or "any"),
        ("action", rule.action), ("retries", rule.max_retries),
        ("active", "yes" if rule.active else "no: it only logs"),
        ("architecture", rule.architecture), ("release", rule.release),
        ("work queue", rule.work_queue), ("description", rule.description),
        ("changed by", rule.changed_by), ("changed", when(rule.changed_at)),
    ])  # fmt: skip
