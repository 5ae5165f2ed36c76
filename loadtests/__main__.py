"""`python -m loadtests`: see loadtests/README.md."""

from loadtests.runner.command import main

main(prog_name="python -m loadtests")
