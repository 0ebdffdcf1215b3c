#!/bin/sh
# Measures seqsend beside other tools and prints a table of ratios: sh tests/bench/run.sh
#
# Peers are pinned, and installed into tests/bench/peers, which git does not see. Arguments go to
# bench.py: --runs 5 for a quick look.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/../.."
sh tests/support/setup.sh test

peers=tests/bench/peers
mkdir -p "$peers"
cp tests/bench/peers.json "$peers/package.json"
if ! cmp -s tests/bench/peers.json "$peers/.installed"; then
    printf 'bench: installing cast, ethers, viem and web3.py\n' >&2
    npm install --prefix "$peers" --no-audit --no-fund --ignore-scripts >&2
    [ -x "$peers/venv/bin/python" ] || .venv/bin/python -m venv "$peers/venv"
    "$peers/venv/bin/python" -m pip install -q --disable-pip-version-check \
        -r tests/bench/peers.txt
    cp tests/bench/peers.json "$peers/.installed"
fi
# seqsend as a user has it, and not among what its tests need: of that, some is loaded where it is found.
[ -x "$peers/seqsend/bin/python" ] || .venv/bin/python -m venv "$peers/seqsend"
"$peers/seqsend/bin/python" -m pip install -q --disable-pip-version-check --force-reinstall --no-deps .
"$peers/seqsend/bin/python" -m pip install -q --disable-pip-version-check .
exec .venv/bin/python -m tests.bench.bench "$@"
