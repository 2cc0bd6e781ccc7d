"""Workflows of any size for benchmarks: a chain, layers, a wide scatter; Culm's and standard CWL.

Each step runs `true`, and what it writes (an empty file) is what the next one takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

OPTIONS = "{default: '--outputs a.txt --nJobs 1 --memory 100'}"
HEAD = "cwlVersion: v1.2\nclass: Workflow\n"
TRUE_TOOL = """\
cwlVersion: v1.2
class: CommandLineTool
baseCommand: "true"
inputs: {before: File?}
outputs: {made: stdout}
stdout: a.txt
"""


def chain(n_steps: int) -> str:
    """Steps one after another."""
    return _workflow("[]", _chain_steps(n_steps))


def layers(n_steps: int, width: int) -> str:
    """Layers of so many steps, of which each takes from two of the layer above."""
    requirement = "requirements: {MultipleInputFeatureRequirement: {}}\n"
    return _workflow("[]", _layer_steps(n_steps, width), requirement)


def scatter() -> str:
    """One step for each of the commands in the input `commands`."""
    requirement = "requirements: {ScatterFeatureRequirement: {}}\n"
    step = (
        "  each:\n    run: prun\n    scatter: opt_exec\n    in:\n      opt_exec: commands\n"
        f"      opt_args: {OPTIONS}\n    out: [outDS]\n"
    )
    return _workflow('{commands: "string[]"}', [step], requirement)


def standard_chain(n_steps: int) -> str:
    """The chain in standard CWL; its tool is `true.cwl` (`TRUE_TOOL`)."""
    steps = [f"  s{number}:\n    run: true.cwl\n    in: {{{_before(number)}}}\n    out: [made]\n"
             for number in range(n_steps)]  # fmt: skip
    end = f"{{made: {{type: File, outputSource: s{n_steps - 1}/made}}}}"
    return f"{HEAD}inputs: []\noutputs: {end}\nsteps:\n{''.join(steps)}"


def snakefile(n_steps: int) -> str:
    """The chain as rules of Snakemake."""
    rules = [f'rule all:\n    input: "s{n_steps - 1}.txt"\n']
    for number in range(n_steps):
        takes = f'    input: "s{number - 1}.txt"\n' if number else ""
        rules.append(f'rule s{number}:\n{takes}    output: "s{number}.txt"\n'
                     '    shell: "true > {output}"\n')  # fmt: skip
    return "\n".join(rules)


def _before(number: int) -> str:
    return f"before: s{number - 1}/made" if number else ""


def _workflow(inputs: str, steps: Sequence[str] | Iterator[str], requirements: str = "") -> str:
    return f"{HEAD}inputs: {inputs}\noutputs: []\n{requirements}steps:\n{''.join(steps)}"


def _step(name: str, takes: str) -> str:
    given = f"      opt_inDS: {takes}\n" if takes else ""
    return (
        f"  {name}:\n    run: prun\n    in:\n{given}"
        "      opt_exec: {default: 'true > a.txt'}\n"
        f"      opt_args: {OPTIONS}\n    out: [outDS]\n"
    )


def _chain_steps(n_steps: int) -> Iterator[str]:
    for number in range(n_steps):
        yield _step(f"s{number}", f"s{number - 1}/outDS" if number else "")


def _layer_steps(n_steps: int, width: int) -> Iterator[str]:
    for number in range(n_steps):
        layer, lane = divmod(number, width)
        above = [f"s{layer - 1}x{lane}/outDS", f"s{layer - 1}x{(lane + 1) % width}/outDS"]
        sources = list(dict.fromkeys(above))
        yield _step(f"s{layer}x{lane}", f"{{source: [{', '.join(sources)}]}}" if layer else "")
