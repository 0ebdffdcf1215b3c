#!/bin/sh
# Sets up and runs all checks. Arguments go to pytest: sh tests/run.sh -k failover
#
#   sh tests/run.sh --coverage  also reports lines that no test reaches; takes twice as long
#   sh tests/run.sh --system    as root on Debian: first installs the programs that some tests
#                               need, as CI does; without them those tests are skipped
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

system=${CI:-}
if [ "${1:-}" = --system ]; then
    system=true
    shift
fi
if [ "$system" = true ]; then
    sh tests/support/system.sh
fi
sh tests/support/setup.sh test

step() {
    printf '== %s\n' "$*" >&2
    "$@" || {
        status=$?
        printf '== failed with status %s: %s\n' "$status" "$*" >&2
        exit "$status"
    }
}

PATH="$PWD/.venv/bin:$PATH"
export PATH
step ruff check .
step ruff format --check .
step mypy
step lint-imports
# Passes with a notice if the database cannot be reached.
step python -m tests.support.audit
if [ $# -gt 0 ] && [ "$1" != --coverage ]; then
    step pytest "$@"
    exit
fi
# More processes than processors, because many tests wait for a timeout.
set -- -n "$(($(getconf _NPROCESSORS_ONLN) * 2))" ${1:+--cov --cov-fail-under=95}
step pytest "$@"
