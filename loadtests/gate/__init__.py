"""The release gate: what a version has to pass, the summary of it, and the refusal of a release without one.

    make release-check     runs all steps, and writes releases/VERSION.md and .json beside it
    .ci/release VERSION     makes the tag, if that summary is there, is of this source, and the changelog links it

steps      what is run, as data
checking   runs them
summary    what came of them, as a page and as data; pure
bench      benchmarks against those that are committed; pure
links      links of Markdown pages that lead nowhere
releasing  whether a version may be released; pure, but for what it asks git
"""
