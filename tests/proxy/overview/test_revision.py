import subprocess
from pathlib import Path

import pytest

from proxy.overview.revision import of_checkout, revision

ROOT = Path(__file__).parents[3]
SHA = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40


def git(folder: Path, **files: str) -> Path:
    """A checkout in which .git has these files; a name's double underscores are slashes."""
    for name, text in files.items():
        path = folder / ".git" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_branch(tmp_path: Path) -> None:
    assert of_checkout(git(tmp_path, HEAD="ref: refs/heads/main\n", refs__heads__main=f"{SHA}\n")) == SHA


def test_a_commit_without_a_branch(tmp_path: Path) -> None:
    assert of_checkout(git(tmp_path, HEAD=f"{SHA}\n")) == SHA


def test_a_branch_among_packed_ones_and_the_newer_one_beside_them(tmp_path: Path) -> None:
    packed = f"# pack-refs with: peeled\n{OTHER} refs/heads/old\n{SHA} refs/heads/main\n^{OTHER}\n"
    git(tmp_path, HEAD="ref: refs/heads/main", **{"packed-refs": packed})
    assert of_checkout(tmp_path) == SHA
    assert of_checkout(git(tmp_path, refs__heads__main=OTHER)) == OTHER


def test_a_second_work_tree(tmp_path: Path) -> None:
    first = git(tmp_path / "first", HEAD=OTHER, refs__heads__side=SHA)
    git(first, worktrees__second__HEAD="ref: refs/heads/side\n", worktrees__second__commondir="../..\n")
    second = tmp_path / "second"
    second.mkdir()
    (second / ".git").write_text(f"gitdir: {first / '.git' / 'worktrees' / 'second'}\n")
    assert of_checkout(second) == SHA


@pytest.mark.parametrize(
    "files",
    [{}, {"HEAD": ""}, {"HEAD": "ref: refs/heads/main"}, {"HEAD": "nonsense"}, {"HEAD": "ref: ../../../etc/passwd"}],
)
def test_what_is_not_known_is_empty(tmp_path: Path, files: dict[str, str]) -> None:
    assert of_checkout(git(tmp_path, **files)) == ""


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no checkout")
def test_it_is_what_git_says() -> None:
    said = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    if said.returncode != 0:
        pytest.skip(f"git says: {said.stderr.strip()}")
    assert of_checkout(ROOT) == said.stdout.strip()
    assert len(revision()) == 40
