#!/bin/sh
# Runs the tests with every Python on PATH, from 3.11 on: sh tests/pythons.sh [pytest's arguments]
#
# Each gets its own environment in .pythons, which git ignores.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."
sh tests/support/setup.sh test # for anvil

found=
for version in 3.11 3.12 3.13 3.14; do
    # Import something: a version manager's shim is on PATH even if the version is missing.
    "python$version" -c 'import ensurepip, venv' >/dev/null 2>&1 || continue
    found="$found $version"
    environment=.pythons/$version
    [ -x "$environment/bin/python" ] || "python$version" -m venv "$environment"
    # Dependency groups came with pip 25.1.
    "$environment/bin/python" -m pip install -q --disable-pip-version-check --upgrade 'pip>=25.1'
    "$environment/bin/python" -m pip install -q --disable-pip-version-check -e . --group test
    "$environment/bin/python" -m pip wheel -q --disable-pip-version-check -w "$environment/wheels" . hatchling pip
    rm -f "$environment"/wheels/seqsend-*
    printf '== Python %s\n' "$version" >&2
    PATH="$PWD/$environment/bin:$PWD/.venv/bin:$PATH" "$environment/bin/python" -m pytest -n auto "$@"
done
[ -n "$found" ] || {
    printf 'pythons: none from 3.11 on is on PATH\n' >&2
    exit 1
}
printf '== passed with%s\n' "$found" >&2
