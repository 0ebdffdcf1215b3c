#!/bin/sh
# Sets up and runs everything that must hold. Arguments go to pytest: sh tests/run.sh -k failover
#
#   sh tests/run.sh --coverage  also says which lines no test reaches; takes twice as long
#   sh tests/run.sh --system    as root on Debian: installs nginx and iproute2 for the tests that
#                               need them, as CI does; elsewhere those tests are skipped
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
# Where the database can be reached; else it says so and goes on.
step python -m tests.support.audit
if [ $# -gt 0 ] && [ "$1" != --coverage ]; then
    step pytest "$@"
    exit
fi
# More processes than there are processors: many tests wait for a timeout.
set -- -n "$(($(getconf _NPROCESSORS_ONLN) * 2))" ${1:+--cov --cov-fail-under=95}
step pytest "$@"
