"""Settings by the admin listener: what they are, reading them again, and what came of it."""

from pathlib import Path
from typing import Any

import pytest
import trio
from lab import Lab
from test_settings_change import running

from penstock import Call, Service


async def settings(lab: Lab) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in (await lab.admin("/config")).json()["settings"]}


async def test_settings_are_shown_with_their_origins_and_without_secrets(tmp_path: Path) -> None:
    text = "edge: {deadline: 3s}\nservices: {token: open-sesame}\n"
    async with running(tmp_path, text, service_token="open-sesame") as run:  # noqa: S106
        page = await run.lab.admin("/config")
        assert b"open-sesame" not in page.body
        shown = await settings(run.lab)
        assert shown["edge.deadline"] == {
            "name": "edge.deadline",
            "value": "3s",
            "origin": f"{run.path}:1",
            "default": "10s",
            "applies": "reload",
        }
        assert (shown["services.token"]["value"], shown["services.token"]["origin"]) == ("***", f"{run.path}:2")
        assert (shown["edge.buffered_bytes"]["origin"], shown["edge.listen"]["applies"]) == ("default", "restart")


async def test_a_reload_is_posted_and_its_report_read_again(tmp_path: Path) -> None:
    async with running(tmp_path, "edge: {deadline: 3s}\n") as run:
        assert (await run.lab.admin("/reload")).json() == {"revision": 1, "waiting": [], "last": None}
        run.path.write_text("edge: {deadline: 4s}\n")
        page = await run.lab.admin("/reload", method="POST")
        report = page.json()
        assert (page.status, report["cause"], report["applied"], report["revision"]) == (200, "POST /reload", True, 2)
        assert [(change["name"], change["before"], change["after"]) for change in report["changes"]] == [
            ("edge.deadline", "3s", "4s")
        ]
        assert (await run.lab.admin("/reload")).json() == {"revision": 2, "waiting": [], "last": report}
        assert (await settings(run.lab))["edge.deadline"]["value"] == "4s"
        assert b'penstock_reloads_total{applied="true"} 1\n' in (await run.lab.admin("/metrics")).body


async def test_a_refused_reload_says_what_is_wrong_and_changes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, "edge: {deadline: 3s}\n") as run:
        run.path.write_text("edge: {deadlin: 4s}\n")
        page = await run.lab.admin("/reload", method="POST")
        report = page.json()
        assert (page.status, report["applied"], report["revision"]) == (409, False, 1)
        assert len(report["problems"]) == 1
        assert f"({run.path}:1)" in report["problems"][0]
        assert (await run.lab.admin("/reload")).json()["last"] == report
        assert (await settings(run.lab))["edge.deadline"]["value"] == "3s"
        assert b'penstock_reloads_total{applied="false"} 1\n' in (await run.lab.admin("/metrics")).body


async def test_one_reload_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as run:
        began, may_end = trio.Event(), trio.Event()

        async def slowly(*_: object) -> None:
            began.set()
            await may_end.wait()

        monkeypatch.setattr(run.reloader, "_apply", slowly)
        answers: list[int] = []

        async def post() -> None:
            answers.append((await run.lab.admin("/reload", method="POST")).status)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(post)
            await began.wait()
            second = await run.lab.admin("/reload", method="POST")
            may_end.set()
        why = "Another reload is under way; its report will be at GET /reload."
        assert (second.status, second.json()) == (
            409,
            {
                "status": 409,
                "title": "That cannot be done now.",
                "detail": why,
                "applied": False,
                "problems": [why],
            },
        )
        assert answers == [200]


@pytest.mark.parametrize(("path", "method"), [("/config", "GET"), ("/reload", "GET"), ("/reload", "POST")])
async def test_a_gateway_that_was_given_its_settings_says_so(lab: Lab, path: str, method: str) -> None:
    page = await lab.admin(path, method=method)
    assert (page.status, page.json()["detail"]) == (
        404,
        "This gateway was given its settings as they are; there is no place to read them from again.",
    )


async def test_an_explanation_names_the_line_of_the_file(tmp_path: Path) -> None:
    text = "edge:\n  deadline: 3s\nidentity:\n  undeclared: public\n"
    async with running(tmp_path, text) as run:
        told = (await run.lab.admin("/explain?target=/invoices/42")).json()
        origins = {step["name"]: step["lines"][0]["origin"] for step in told["steps"]}
        assert origins["deadline"] == f"edge.deadline ({run.path}:2)"
        assert origins["body"] == "edge.buffered_bytes (default)"
        run.path.write_text("\n\nedge:\n  deadline: 3s\nidentity:\n  undeclared: public\n")
        await run.lab.admin("/reload", method="POST")
        told = (await run.lab.admin("/explain?target=/invoices/42")).json()
        origins = {step["name"]: step["lines"][0]["origin"] for step in told["steps"]}
        assert origins["deadline"] == f"edge.deadline ({run.path}:4)"


async def test_rules_without_effect_are_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    closed = Service("closed", version="1.0.0")

    @closed.get("/closed", access="authenticated")
    async def never(call: Call) -> None:
        raise AssertionError

    def told() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "penstock.rules"]

    rules = "rules:\n  - {name: opening, service: closed, access: public}\n"
    async with running(tmp_path, rules) as run:
        assert told() == []
        for number in (1, 2):
            await run.lab.serve(closed, instance=f"closed-{number}")
        first = (
            f"the rule opening ({run.path}:2): its access has no effect on GET /closed, since closed 1.0.0 declares"
            " that it needs an identity"
        )
        assert told() == [first]
        assert await run.write(rules + "edge: {deadline: 4s}\n")
        assert told() == [first]
        told_by_page = (await run.lab.admin("/explain?target=/closed")).json()["notes"]
        assert told_by_page == [first]
        assert await run.write("\n" + rules)
        assert told() == [first, first.replace(":2)", ":3)")]
