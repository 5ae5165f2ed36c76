"""The command line: `python -m loadtests run PLAN`, and `judge` for a record that is there already."""

import re
import shlex
import sys
import time
from pathlib import Path
from typing import NoReturn

import click
import msgspec

from loadtests.order import Address
from loadtests.runner.plan import PLANS, REPORTS, THRESHOLDS, PlanError, find, read_plan
from loadtests.runner.site import Elsewhere
from loadtests.tools import ROOT, duration_s


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Load a gateway, and say what that has proved.

    Exit code: 0 when every threshold is held, 1 when one is broken, 2 when nothing is proved.
    """


@main.command("plans")
def plans() -> None:
    """List the plans."""
    for path in sorted(PLANS.glob("*.yaml")):
        plan = read_plan(path.stem)
        click.echo(f"{plan.name:<12} {plan.duration:<6} {plan.about}")


@main.command("run")
@click.argument("plan_name", metavar="PLAN")
@click.option("--duration", help="How long to run, like 90s, 10m, 24h; without it, as the plan says.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where to write record, report and logs.")
@click.option("--shape", help="A shape by name or path; without it, that of the plan.")
@click.option("--nemesis", help="A schedule by name or path, or none; without it, as the plan says.")
@click.option("--thresholds", help="Thresholds by name or path; without it, as the plan says.")
@click.option("--baseline", help="A run to compare with: one of loadtests/reports, or a record.")
@click.option("--workers", type=click.IntRange(0, 64), help="Worker processes of the gateway; 0: one without them.")
@click.option("--rate-factor", type=click.FloatRange(0, min_open=True), help="Of what the shape says: 0.5 is half.")
@click.option("--seed", type=int, help="Of what is drawn.")
@click.option("--planted", metavar="NAME", help="Load a test build with that defect (loadtests/planted).")
@click.option("--gateway-command", metavar="WORDS", help="How to start the gateway, in place of `penstock serve`.")
@click.option("--edge", metavar="HOST:PORT", help="Load a gateway that runs already; --admin is needed as well.")
@click.option("--admin", metavar="HOST:PORT", help="Its admin listener.")
@click.option("--services", metavar="HOST:PORT", help="Where services connect to it: for users that speak frames.")
@click.option("--tls-edge", metavar="HOST:PORT", help="Where it takes clients over TLS: for users of TLS.")
@click.option("--ca", type=click.Path(path_type=Path), help="Who signs its certificate; else whom this machine trusts.")
@click.option("--admin-token-file", type=click.Path(path_type=Path), help="A file with the token of its admin pages.")
@click.option("--token-file", type=click.Path(path_type=Path), help="A file with a token to send with each request.")
def run_command(plan_name: str, out: Path | None, **options: object) -> None:
    """Run a plan: one of loadtests/plans by its name, or a file.

    A gateway with services is started on free ports, loaded, and ended; or, with --edge and --admin, one that runs
    already is loaded. It has to have the services of loadtests/services behind it.
    """
    import trio

    from loadtests.runner.whole import Wanted, run

    try:
        plan = read_plan(plan_name)
        for name in ("duration", "shape", "nemesis", "thresholds", "workers", "rate_factor", "seed", "baseline"):
            value = options[name]
            if value is not None:
                plan = msgspec.structs.replace(plan, **{name: value})
        duration_s(plan.duration)
        wanted = Wanted(
            plan=plan,
            out=out or ROOT / "build" / "loadtests" / f"{plan.name}-{time.strftime('%Y%m%d-%H%M%S')}",
            elsewhere=_elsewhere(options),
            token=_secret(options["token_file"]),
            gateway_command=_gateway_command(options),
        )
        code = trio.run(run, wanted)
    except (PlanError, ValueError) as error:
        _refuse(str(error))
    except KeyboardInterrupt:
        _refuse("it was interrupted while it wrote what there is")
    sys.exit(code)


def _gateway_command(options: dict[str, object]) -> list[str] | None:
    planted, words = options["planted"], options["gateway_command"]
    if planted and words:
        raise PlanError("--planted and --gateway-command both say how the gateway is started; give one")
    if planted:
        from loadtests.stand.layout import GATEWAY

        return [sys.executable, "-m", "loadtests.planted", str(planted), "--", *GATEWAY]
    return shlex.split(str(words)) if words else None


def _elsewhere(options: dict[str, object]) -> Elsewhere | None:
    edge, admin = options["edge"], options["admin"]
    if edge is None and admin is None:
        for name in ("services", "tls_edge", "ca", "admin_token_file"):
            if options[name] is not None:
                raise PlanError(
                    f"--{name.replace('_', '-')} is of a gateway that runs already; give --edge and --admin"
                )
        return None
    if edge is None or admin is None:
        raise PlanError("--edge and --admin belong together: what is loaded is looked at, too")
    services, tls_edge, authority = options["services"], options["tls_edge"], options["ca"]
    if authority is not None and not Path(str(authority)).is_file():
        raise PlanError(f"--ca: there is no file {authority}; name one of certificates in PEM")
    return Elsewhere(
        _address(str(edge), "--edge"),
        _address(str(admin), "--admin"),
        _address(str(services), "--services") if services else None,
        _secret(options["admin_token_file"]),
        tls_edge=_address(str(tls_edge), "--tls-edge") if tls_edge else None,
        authority=str(Path(str(authority)).resolve()) if authority else "",
    )


def _address(text: str, option: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise PlanError(f"{option}: {text!r} is no address; write HOST:PORT, like 127.0.0.1:8080")
    return Address(host.strip("[]"), int(port))


def _secret(path: object) -> str:
    if path is None:
        return ""
    try:
        text = Path(str(path)).read_text().strip()
    except OSError as error:
        raise PlanError(f"{path} cannot be read: {error.strerror}; name a file that holds the token alone") from error
    if not text or not text.isprintable() or " " in text:
        raise PlanError(f"{path} holds no token; it has to be one word on one line")
    return text


@main.command("judge")
@click.argument("record_file", metavar="RECORD", type=click.Path(path_type=Path))
@click.option("--thresholds", default="soak", show_default=True, help="Thresholds by name or path.")
@click.option("--baseline", help="A run to compare with: one of loadtests/reports, or a record.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Where to write the report; or not at all."
)
def judge_command(record_file: Path, thresholds: str, baseline: str | None, out: Path | None) -> None:
    """Judge the record of a run again, by the same or by other thresholds."""
    from loadtests import record as records
    from loadtests.runner.colour import coloured
    from loadtests.runner.finish import judge_and_report

    try:
        record = records.read(record_file)
        path = find(thresholds, THRESHOLDS)
        earlier = find(baseline, REPORTS, ".json") if baseline else None
    except (records.RecordError, PlanError) as error:
        _refuse(str(error))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    sys.exit(
        judge_and_report(
            record, out or record_file.parent, path, earlier, lambda line: click.echo(coloured(line, sys.stdout))
        )
    )


@main.command("keep")
@click.argument("record_file", metavar="RECORD", type=click.Path(path_type=Path))
@click.argument("name", metavar="NAME")
@click.option("--thresholds", default="soak", show_default=True, help="Thresholds by name or path.")
@click.option("--into", default=REPORTS, type=click.Path(path_type=Path, file_okay=False), help="Another folder.")
def keep_command(record_file: Path, name: str, thresholds: str, into: Path) -> None:
    """Keep a small form of a run in loadtests/reports: a page, and a record that NAME as a baseline means."""
    from loadtests import record as records
    from loadtests.report import keep
    from loadtests.verdict import ThresholdsError, judge, read_thresholds

    if not re.fullmatch(r"[\w.-]+", name):
        _refuse(f"{name!r} is no name of a file; write letters, digits, dots and dashes")
    try:
        record = records.read(record_file)
        verdict = judge(record, read_thresholds(find(thresholds, THRESHOLDS)))
    except (records.RecordError, PlanError, ThresholdsError) as error:
        _refuse(str(error))
    try:
        for path in keep(into, name, record, verdict):
            click.echo(f"kept     {path}")
    except OSError as error:
        _refuse(f"{into} cannot be written to: {error.strerror or error}; make room, or name another by --into")


def _refuse(said: str) -> NoReturn:
    click.echo(f"loadtests: {said}", err=True)
    sys.exit(2)
