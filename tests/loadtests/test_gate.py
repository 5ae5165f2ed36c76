"""The release gate: a version without a passed check of its very source is refused, each cause with its fix."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from loadtests.gate.__main__ import main
from loadtests.gate.bench import compare
from loadtests.gate.checking import check, last_line
from loadtests.gate.links import anchors, lost_links
from loadtests.gate.releasing import git_of, refusals
from loadtests.gate.steps import STEPS, Step
from loadtests.gate.summary import Summary, SummaryError, page_of, read_summary, write_summary

ROOT = Path(__file__).parents[2]
ENTRY = "# Changelog\n\n## [1.2.0]\n\nChecked: [summary](releases/1.2.0.md).\n\n## [1.1.0]\n\n- Older.\n"
PASSING = [Step(step.name, ["echo", "3 passed"], step.told) for step in STEPS]


def run_git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True)


def commit(root: Path) -> None:
    run_git(root, "add", "--all")
    run_git(root, "commit", "--quiet", "--message", "A change")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of 1.2.0 that has passed its check, and may be released."""
    (tmp_path / "src" / "proxy").mkdir(parents=True)
    (tmp_path / "src" / "proxy" / "__init__.py").write_text('__version__ = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n")
    (tmp_path / ".gitignore").write_text("/build/\n")
    run_git(tmp_path, "init", "--quiet")
    run_git(tmp_path, "config", "user.name", "A. Maintainer")
    run_git(tmp_path, "config", "user.email", "a@example.org")
    run_git(tmp_path, "config", "commit.gpgsign", "false")
    commit(tmp_path)
    write_summary(tmp_path, check(tmp_path, "1.2.0", PASSING, git_of(tmp_path), lambda _line: None))
    (tmp_path / "CHANGELOG.md").write_text(ENTRY)
    commit(tmp_path)
    return tmp_path


def test_what_has_passed_may_be_released(checkout: Path) -> None:
    assert refusals(checkout, "1.2.0", git_of(checkout)) == []
    summary = read_summary(checkout, "1.2.0")
    assert summary.signed_off_by == "A. Maintainer <a@example.org>"
    assert [step.said for step in summary.steps] == ["3 passed"] * len(STEPS)
    page = (checkout / "releases" / "1.2.0.md").read_text()
    assert "All steps have passed." in page
    assert page.endswith("\nSigned-off-by: A. Maintainer <a@example.org>\n")


def other_version(root: Path) -> None:
    (root / "src" / "proxy" / "__init__.py").write_text('__version__ = "1.2.1"\n')
    commit(root)


def other_source(root: Path) -> None:
    (root / "src" / "proxy" / "edge.py").write_text("# new\n")
    commit(root)


def dirty(root: Path) -> None:
    (root / "CHANGELOG.md").write_text(ENTRY + "more\n")


def tagged(root: Path) -> None:
    run_git(root, "tag", "v1.2.0")


def no_entry(root: Path) -> None:
    (root / "CHANGELOG.md").write_text("# Changelog\n\n## [1.1.0]\n")
    commit(root)


def entry_without_link(root: Path) -> None:
    text = ENTRY.replace("(releases/1.2.0.md)", "") + "- [Not here](releases/1.2.0.md).\n"
    (root / "CHANGELOG.md").write_text(text)
    commit(root)


def no_summary(root: Path) -> None:
    (root / "releases" / "1.2.0.json").unlink()
    commit(root)


def page_written_by_hand(root: Path) -> None:
    page = root / "releases" / "1.2.0.md"
    page.write_text(page.read_text().replace("3 passed", "4 passed"))
    commit(root)


def changed(root: Path, change: Callable[[Summary], Summary]) -> None:
    write_summary(root, change(read_summary(root, "1.2.0")))
    commit(root)


def failed(root: Path) -> None:
    def fail(summary: Summary) -> Summary:
        steps = [msgspec.structs.replace(step, exit_code=int(step.name == "soak")) for step in summary.steps]
        return msgspec.structs.replace(summary, steps=steps)

    changed(root, fail)


def without_soak(root: Path) -> None:
    def leave_out(summary: Summary) -> Summary:
        return msgspec.structs.replace(summary, steps=[step for step in summary.steps if step.name != "soak"])

    changed(root, leave_out)


def of_nowhere(root: Path) -> None:
    changed(root, lambda summary: msgspec.structs.replace(summary, commit="0" * 40))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_version, "the source is not of 1.2.0: set __version__ in src/proxy/__init__.py, and check that"),
        (other_source, "changed since the check: src/proxy/edge.py: run make release-check"),
        (dirty, "the checkout has changes (M CHANGELOG.md): commit them, and check that"),
        (tagged, "the tag v1.2.0 is there already: choose another version"),
        (no_entry, "CHANGELOG.md has no entry [1.2.0]: write it"),
        (entry_without_link, "the entry [1.2.0] of CHANGELOG.md does not link releases/1.2.0.md: add it"),
        (no_summary, "there is no check of 1.2.0 (1.2.0.json, 1.2.0.md): run make release-check"),
        (page_written_by_hand, "releases/1.2.0.md is not what 1.2.0.json says: run make release-check"),
        (failed, "the check has not passed (soak): mend that, and check again"),
        (without_soak, "the check left out soak: run make release-check"),
        (of_nowhere, "the checked commit 000000000000 is not in this history: run make release-check"),
    ],
)
def test_what_has_not_is_refused(change: Callable[[Path], None], said: str, checkout: Path) -> None:
    change(checkout)
    assert any(line.endswith(said) for line in refusals(checkout, "1.2.0", git_of(checkout)))


def test_a_step_that_fails_or_cannot_be_run_does_not_keep_the_others_from_running(checkout: Path) -> None:
    steps = [
        Step("bad", [sys.executable, "-c", "print('===== 1 failed =====\\n'); raise SystemExit(3)"], "fails"),
        Step("none", ["/no/such/program"], "is not there"),
        PASSING[0],
    ]
    told: list[str] = []
    summary = check(checkout, "1.2.0", steps, git_of(checkout), told.append)
    assert [(step.exit_code, step.said) for step in summary.steps] == [
        (3, "1 failed"),
        (127, "/no/such/program: No such file or directory"),
        (0, "3 passed"),
    ]
    assert not summary.has_passed
    assert "NOT ALL STEPS HAVE PASSED." in page_of(summary)
    assert len(told) == 6
    assert (checkout / "build" / "release" / "bad.log").read_text().startswith("===== 1 failed")


def test_a_summary_that_is_no_summary_is_said(checkout: Path) -> None:
    (checkout / "releases" / "1.2.0.json").write_text("{}")
    with pytest.raises(SummaryError, match=r"cannot be read: Object missing required field `version`; run make"):
        read_summary(checkout, "1.2.0")


def test_the_last_line_is_the_last_that_says_something() -> None:
    assert last_line("a\n==== 3 passed in 2 s ====\n\n  \n") == "3 passed in 2 s"
    assert last_line("") == ""


def target(ratio: float | None, *, must: float | None = 1.0, at_least: bool = False, **more: str) -> dict[str, Any]:
    told = {"measure": "m", "ratio": ratio, "must": must, "at_least": at_least, "verdict": "held"}
    return {"targets": [told | more]}


@pytest.mark.parametrize(
    ("before", "now", "lines"),
    [
        (target(0.5), target(0.55), []),
        (target(0.5), target(0.6), ["m: 0.60, and was 0.50"]),
        (target(2.0, at_least=True), target(1.5, at_least=True), ["m: 1.50, and was 2.00"]),
        (target(2.0, at_least=True), target(3.0, at_least=True), []),
        (target(0.5), target(1.2, verdict="MISSED, noisy"), ["m: 1.20, and must be 1 or less"]),
        (target(0.5, must=None), target(5.0, must=None), []),
        (target(0.5), target(None), ["m: not measured any more"]),
        (target(None), target(None), []),
        (target(0.5), {"targets": []}, ["m: not measured any more"]),
        ({"targets": []}, target(0.5), []),
    ],
)
def test_benchmarks_may_not_become_much_worse(before: dict[str, Any], now: dict[str, Any], lines: list[str]) -> None:
    assert compare(before, now) == (lines, [])


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        (1.3, 1.4, ([], ["m: 1.40, was 1.30, must be 1 or less"])),
        (1.3, 1.6, (["m: 1.60, and must be 1 or less"], [])),
    ],
)
def test_what_the_committed_run_misses_is_told_and_may_not_become_much_worse(
    before: float, now: float, found: tuple[list[str], list[str]]
) -> None:
    assert compare(target(before, verdict="MISSED"), target(now, verdict="MISSED")) == found


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(
        "# One `two`, three\n\n## One\n## One\n```\n[x](no.md)\n```\n`[x](no.md)`\n"
    )
    (tmp_path / "README.md").write_text(
        "[1](docs/a.md) [2](docs/a.md#one-two-three) [3](docs/a.md#one-1) [4](https://example.org/x) [5](/docs/a.md)\n"
        "[6](docs/b.md) [7](docs/a.md#four) [8](#nowhere)\n"
    )
    links = ("docs/b.md", "docs/a.md#four", "#nowhere")
    assert lost_links(tmp_path) == [f"README.md: {link} leads nowhere" for link in links]
    assert anchors("# A\n```\n# B\n```\n") == {"a"}


def test_links_of_this_checkout_lead_somewhere() -> None:
    assert lost_links(ROOT) == []


def test_the_release_script_refuses_this_checkout_while_it_is_not_released() -> None:
    run = subprocess.run(
        [ROOT / ".ci" / "release", "999.0.0"],
        env={"PYTHON": sys.executable, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "refused: there is no check of 999.0.0 (999.0.0.json, 999.0.0.md): run make release-check\n" in run.stderr


@pytest.mark.parametrize("words", [[], ["odd"], ["release"], ["check", "now"]])
def test_wrong_words_are_told_what_there_is(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("usage: python -m loadtests.gate check | release VERSION")
