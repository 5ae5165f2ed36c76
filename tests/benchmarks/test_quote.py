from pathlib import Path

from benchmarks.report import QUOTE_BEGINS, QUOTE_ENDS, quote

ROOT = Path(__file__).parents[2]


def test_the_readme_quotes_the_last_run() -> None:
    readme = (ROOT / "README.md").read_text()
    table = (ROOT / "benchmarks" / "table.md").read_text()
    assert f"{QUOTE_BEGINS}\n{table}{QUOTE_ENDS}" in readme


def test_a_quote_replaces_what_stood_between_the_marks(tmp_path: Path) -> None:
    readme, page = tmp_path / "README.md", tmp_path / "table.md"
    readme.write_text(f"before\n{QUOTE_BEGINS}\nold\n{QUOTE_ENDS}\nafter\n")
    page.write_text("| new |\n")
    for _ in range(2):
        quote(readme, page)
        assert readme.read_text() == f"before\n{QUOTE_BEGINS}\n| new |\n{QUOTE_ENDS}\nafter\n"
