#!/bin/sh
# Installs the system packages that building and testing need and that are missing (Debian 12, Ubuntu 22.04 and later). Needs root or sudo.
# --list prints their names and installs nothing; --without-mpi leaves Open MPI out; other words are further packages.
set -eu
want="gcc g++ make pkg-config libc6-dev libyaml-dev libhdf5-dev libdnnl-dev libjansson-dev libpcre2-dev libutf8proc-dev zlib1g-dev libzstd-dev libcurl4-openssl-dev ca-certificates openssl libcmocka-dev"
[ "${1:-}" = "--without-mpi" ] || want="$want libopenmpi-dev openmpi-bin"
for extra in "$@"; do case $extra in --*) ;; *) want="$want $extra" ;; esac; done
case " $* " in *" --list "*) echo "$want"; exit 0 ;; esac
command -v dpkg-query >/dev/null || { echo "error: this script knows Debian and Ubuntu; install by your own means: $want" >&2; exit 1; }
missing=
for p in $want; do
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null | cut -c1-2)" = "ii" ] || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
echo "installing:$missing"
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "error: not root and no sudo; install:$missing" >&2; exit 1; }
    as_root=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/tmp/ptrain-install.log 2>&1 || {
    tail -n 20 /tmp/ptrain-install.log >&2
    exit 1
}
