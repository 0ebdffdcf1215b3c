#!/bin/sh
# Submits the signed transactions of a file, one a line, and does not stop before all are there or one
# needs a person:
#
#   SEQSEND_SEQUENCER_HTTP=http://seq1:8545,http://seq2:8545 sh examples/submit.sh transactions.txt
#
# Run it again after whatever happened: what the sequencer has already is known, and not sent twice.
# TRIES (5) and PAUSE (seconds, 10) say how often and how soon it tries again by itself. The hashes of
# all transactions are then in transactions.txt.hashes.
set -eu

file=${1:?usage: sh submit.sh FILE}
tries=${TRIES:-5}
pause=${PAUSE:-10}

say() {
    printf 'submit: %s\n' "$*" >&2
}

while :; do
    # stdout is the answer and nothing else; what was tried, and who answered, goes to stderr.
    status=0
    seqsend send --file "$file" >"$file.part" || status=$?

    # Exit codes are the contract: each says what to do.
    case $status in
    0)
        mv "$file.part" "$file.hashes"
        say "all transactions of $file are with the sequencer"
        exit 0
        ;;
    2)
        say "an option or a line of $file is wrong (above): put it right and run this again"
        exit 2
        ;;
    3)
        say "the sequencer refused one (above), and does not have it: see why before you sign again"
        exit 3
        ;;
    4) say 'no endpoint could be reached, nothing was delivered' ;;
    5) say 'one may have been delivered: the same bytes are safe to send again' ;;
    130)
        say 'interrupted: run this again, it goes on where it was'
        exit 130
        ;;
    *)
        say "seqsend failed with $status"
        exit "$status"
        ;;
    esac

    tries=$((tries - 1))
    if [ "$tries" -le 0 ]; then
        say 'giving up: run this again, it goes on where it was; seqsend check says what is wrong'
        exit "$status"
    fi
    say "again in $pause s"
    sleep "$pause"
done
