#!/bin/sh
# Installs the Debian packages that some tests need, with root and apt. Elsewhere those tests are
# skipped, and name the missing package.
set -eu

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
missing=''
for wanted in nginx:nginx-light ip:iproute2 promtool:prometheus zsh:zsh fish:fish shellcheck:shellcheck systemd-analyze:systemd; do
    command -v "${wanted%%:*}" >/dev/null 2>&1 || missing="$missing ${wanted#*:}"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    printf 'setup: not installed, for want of root and apt-get:%s\n' "$missing" >&2
    exit 0
fi
printf 'setup: installing%s\n' "$missing" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of packages
log=$(apt-get update -q 2>&1 && apt-get install -q -y --no-install-recommends $missing 2>&1) || {
    printf 'setup: apt-get could not install%s: %s\n' "$missing" "$log" >&2
    exit 1
}
