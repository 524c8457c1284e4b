"""Jobs: launch, list, follow, cancel."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from colbert_kit.errors import InvalidInput

if TYPE_CHECKING:
    from colbert_kit.runners import Job, JobSpec, Runner

__all__ = ["commands"]

commands = typer.Typer(name="jobs", help="Run the kit's scripts on the Hub's machines, or here.", no_args_is_help=True)

Namespace = Annotated[str | None, typer.Option(help="A user or organization; who is logged in if left out.")]
Here = Annotated[bool, typer.Option("--local", help="On this machine.")]
JobId = Annotated[str, typer.Argument(help="The job's id.")]


@commands.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="All other options are the script's own: colbert-kit jobs options train",
)
def launch(  # noqa: PLR0913 - one for each option
    context: typer.Context,
    script: Annotated[str, typer.Argument(help="train, build_index, evaluate or mine_hard_negatives.")],
    namespace: Namespace = None,
    local: Here = False,
    flavor: Annotated[
        str | None, typer.Option(help="The Hub's machine (jobs flavors); the script's if left out.")
    ] = None,
    timeout: Annotated[str | None, typer.Option(help="'90m', '2h', '1d'; the script's if left out.")] = None,
    secret: Annotated[list[str] | None, typer.Option(help="A variable of this terminal that the job gets too.")] = None,
    volume: Annotated[list[str] | None, typer.Option(help="hf://buckets/me/work:/work, mounted at the Hub.")] = None,
    kit: Annotated[
        str | None, typer.Option(help="colbert-kit==X once published; a wheel of this one if left out.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Show the log until the job has ended.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether it may cost that.")] = False,
) -> None:
    """Launch a script, once what it may cost is agreed to."""
    from colbert_kit import runners

    runner = _runner(namespace, local)
    names = [*(secret or ()), "HF_TOKEN"]
    spec = runners.script_spec(
        script,
        context.args,
        is_elsewhere=runner.is_elsewhere,
        flavor=flavor,
        timeout=timeout,
        secrets=names,
        volumes=volume,
        kit=kit,
    )
    ceiling = runner.cost_ceiling(spec)
    if runner.is_elsewhere:
        _agree(spec, ceiling, yes)
    job = runner.launch(spec, secrets=_values(names), confirm_usd=ceiling)
    place = " --local" if local else f" --namespace {namespace}" if namespace else ""
    typer.echo(f"{job.id}  {job.state}  {job.url or 'on this machine'}", err=follow)
    if follow:
        _follow(runner, job.id)
    else:
        typer.echo(f"Its log: colbert-kit jobs logs {job.id} --follow{place}")


@commands.command()
def options(
    script: Annotated[str, typer.Argument(help="train, build_index, evaluate or mine_hard_negatives.")],
) -> None:
    """Show what a script takes."""
    from colbert_kit import runners

    typer.echo(runners.script_help(script))


@commands.command("list")
def list_jobs(
    namespace: Namespace = None,
    local: Here = False,
    running: Annotated[bool, typer.Option("--running", help="Those that have not ended.")] = False,
) -> None:
    """List the jobs that the kit has launched, the newest first."""
    runner = _runner(namespace, local)
    states = ("SCHEDULING", "RUNNING") if running else ()
    jobs = runner.list_jobs(states=states)
    for job in jobs:
        typer.echo(f"{job.id}  {job.state:<10}  {_time(job)}  {job.kind or '':<19}  {job.flavor or '':<12}".rstrip())
    if not jobs:
        typer.echo("No jobs.")


@commands.command()
def logs(
    job_id: JobId,
    namespace: Namespace = None,
    local: Here = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Until the job has ended; its end is the exit code.")
    ] = False,
    tail: Annotated[int | None, typer.Option(help="The last lines only, so many.", min=1)] = None,
) -> None:
    """Show what a job has said."""
    runner = _runner(namespace, local)
    if follow and tail is not None:
        raise InvalidInput("--follow shows a log from its first line; leave out --tail.")
    if follow:
        _follow(runner, job_id)
        return
    for line in runner.logs(job_id, tail=tail):
        _show(line)


@commands.command()
def cancel(job_id: JobId, namespace: Namespace = None, local: Here = False) -> None:
    """End a job."""
    job = _runner(namespace, local).cancel(job_id)
    typer.echo(f"{job.id}  {job.state}")


@commands.command()
def flavors(namespace: Namespace = None) -> None:
    """List the Hub's machines and what an hour of each costs."""
    from colbert_kit import runners

    found = runners.HfJobsRunner(namespace).flavors()
    for one in sorted(found, key=lambda flavor: flavor.usd_per_hour):
        typer.echo(
            f"{one.name:<16} ${one.usd_per_hour:>5.2f}  {one.cpu:>8}  {one.ram:>7}  {one.accelerator or ''}".rstrip()
        )
    if since := found[0].as_of:
        typer.echo(f"Prices of {since}: the Hub could not be asked.", err=True)


def _runner(namespace: str | None, local: bool) -> Runner:
    from colbert_kit import runners

    if local and namespace is not None:
        raise InvalidInput("a job of this machine has no namespace; leave out --namespace or --local.")
    return runners.LocalRunner() if local else runners.HfJobsRunner(namespace)


def _agree(spec: JobSpec, ceiling: float, yes: bool) -> None:
    """Say what a job may cost, and go no further without a yes.

    Raises:
        InvalidInput: Nobody is there to ask, or they do not agree.
    """
    hours = spec.timeout_seconds / 3600
    typer.echo(f"{spec.kind} on {spec.flavor}, ended after {hours:.3g} h: at most ${ceiling:.2f}.", err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInput(f"nobody is there to agree to ${ceiling:.2f}; --yes does.")
    if not typer.confirm("Launch it?", err=True):
        raise InvalidInput("not launched.")


def _values(names: list[str]) -> dict[str, str]:
    from colbert_kit import runners

    values = {name: os.environ.get(name, "") for name in names}
    values["HF_TOKEN"] = runners.login_token() or ""
    if missing := [name for name, value in values.items() if not value]:
        raise InvalidInput(f"the secret {', '.join(missing)} has no value here; set it, or log in with: hf auth login")
    return values


def _follow(runner: Runner, job_id: str) -> None:
    """Show a job's log until its end; a job that did not complete is exit code 1."""
    for line in runner.stream_logs(job_id):
        _show(line)
    job = runner.inspect(job_id)
    typer.echo(f"{job.id}  {job.state}{f'  {job.message}' if job.message else ''}", err=True)
    if job.state != "COMPLETED":
        raise typer.Exit(1)


def _show(line: str) -> None:
    """Lines for people; of those for machines, what came of the job."""
    from colbert_kit import runners

    event = runners.parse_event(line)
    if event is None:
        typer.echo(line)
    elif isinstance(event, runners.Failure):
        typer.echo(event.message)
    elif isinstance(event, runners.Result):
        typer.echo(" ".join(f"{name}={value}" for name, value in event.values.items()))


def _time(job: Job) -> str:
    return f"{job.created:%Y-%m-%d %H:%M}" if job.created else " " * 16
