#!/bin/sh
# From a fresh clone to a submitted transaction: starts a dead, a failing and a healthy sequencer on
# loopback, sends a transaction through the three, and shows its receipt. Needs Python >= 3.11.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."
sh tests/support/setup.sh
PATH="$PWD/.venv/bin:$PATH"
export PATH
# Settings of the user's own would change what is shown here.
for name in $(env | sed -n 's/^\(SEQSEND_[A-Z_]*\)=.*/\1/p'); do
    unset "$name"
done

work=$(mktemp -d)
servers=
clean_up() {
    trap - EXIT INT TERM HUP
    # shellcheck disable=SC2086  # a list of process ids
    [ -z "$servers" ] || kill -KILL $servers 2>/dev/null || : # they keep nothing
    wait 2>/dev/null || :
    rm -rf "$work"
}
trap 'clean_up' EXIT
trap 'clean_up; exit 130' INT
trap 'clean_up; exit 143' TERM HUP

fail() {
    printf 'quickstart: %s\n' "$*" >&2
    exit 1
}

# Waits until FILE has a line that sed's SCRIPT prints something of, and prints that.
wait_for() {
    tries=0
    while [ "$tries" -lt 200 ]; do
        found=$(sed -n "$2" "$1" 2>/dev/null)
        if [ -n "$found" ]; then
            printf '%s\n' "$found"
            return
        fi
        tries=$((tries + 1))
        sleep 0.05
    done
    fail "a server did not come up: $(cat "$1")"
}

python - >"$work/broken" <<'PYTHON' &
"""A port that is held and on which nothing listens, and a sequencer that answers 503."""
import socket
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer  # HTTPServer would ask DNS for its own name first


class Failing(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_error(503)

    def log_message(self, *_):
        pass


dead = socket.socket()
dead.bind(("127.0.0.1", 0))
failing = TCPServer(("127.0.0.1", 0), Failing)
print("ports", dead.getsockname()[1], failing.server_address[1], flush=True)
failing.serve_forever()
PYTHON
servers="$servers $!"
NO_COLOR=1 anvil --port 0 >"$work/healthy" 2>&1 &
servers="$servers $!"

ports=$(wait_for "$work/broken" 's/^ports //p')
dead=http://127.0.0.1:${ports% *}
failing=http://127.0.0.1:${ports#* }
healthy=http://$(wait_for "$work/healthy" 's/^Listening on //p')

# Accounts of anvil, known to everyone. A real transaction is signed by your wallet, not by a node.
raw=$(seqsend rpc -q --rollup.sequencer-http "$healthy" eth_signTransaction \
    '{"from":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266","to":"0x70997970C51812dc3A010C7d01b50e0d17dc79C8","value":"0xde0b6b3a7640000"}')

SEQSEND_SEQUENCER_HTTP=$dead,$failing,$healthy
export SEQSEND_SEQUENCER_HTTP
printf '\n$ export SEQSEND_SEQUENCER_HTTP=%s\n' "$SEQSEND_SEQUENCER_HTTP"
printf '$ seqsend send %.20s...\n' "$raw"
hash=$(seqsend send "$raw")
printf '%s\n' "$hash"

printf '\n$ seqsend rpc eth_getTransactionReceipt %s | python -m json.tool\n' "$hash"
# anvil mines at once, but answers before it does.
tries=0
seqsend rpc -q eth_getTransactionReceipt "$hash" >"$work/receipt"
while [ "$(cat "$work/receipt")" = null ] && [ "$tries" -lt 20 ]; do
    tries=$((tries + 1))
    sleep 0.05
    seqsend rpc -q eth_getTransactionReceipt "$hash" >"$work/receipt"
done
# Without the bloom filter, which is 512 zeros here.
python -m json.tool "$work/receipt" | grep -v '"logsBloom"'
case $(cat "$work/receipt") in
*'"status":"0x1"'*) ;;
*) fail 'the receipt does not say that the transaction succeeded' ;;
esac

printf '\nThe dead and the failing sequencer were passed over, and the third took the transaction.\n'
printf 'Next, with the addresses of your own sequencer: the recipes in examples/README.md.\n'
