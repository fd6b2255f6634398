#!/bin/sh
# image.sh STEP: what the Dockerfiles run inside an image; one step a layer.
#   build    installs what building needs, builds ptrain, and lays out /out: the program, and the names of the packages it runs on
#   run      installs the packages that /out/usr/local/share/ptrain/packages names
# docker/packages.lock holds "DISTRIBUTION-ARCHITECTURE PACKAGE VERSION": exactly these are installed, or the step fails and says which
# the archive no longer has (then: make image-lock). A distribution that the lock does not know gets what its archive offers, and a line says so.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
. /etc/os-release
system=$VERSION_CODENAME-$(dpkg --print-architecture)
listed=usr/local/share/ptrain/packages
installed() { dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\n' | sed -n 's/^ii *//p' | sort; }

# Every locked version is pinned above what is newer; what came in is then held against the lock.
get() { # PACKAGE...
    pins=/etc/apt/preferences.d/ptrain-lock
    mkdir -p "${pins%/*}"
    awk -v s="$system" '$1 == s {printf "Package: %s\nPin: version %s\nPin-Priority: 1001\n\n", $2, $3}' "$here/packages.lock" >"$pins"
    installed >/tmp/before
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends --allow-downgrades "$@" >/tmp/apt.log 2>&1 || { tail -n 20 /tmp/apt.log >&2; exit 1; }
    if [ -s "$pins" ]; then
        bad=$(installed | comm -13 /tmp/before - | while read -r name version; do
            grep -qxF "$system $name $version" "$here/packages.lock" || echo "$name $version"; done)
        [ -z "$bad" ] || { echo "error: not as docker/packages.lock has it (make image-lock makes a new one):" $bad >&2; exit 1; }
    else
        echo "note: docker/packages.lock does not know $system: the archive's versions of today are taken"
    fi
    # Logs, caches and lists differ from build to build and are read by nothing here.
    apt-get clean
    rm -rf "$pins" /tmp/before /tmp/apt.log /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/* /var/cache/debconf/*-old \
        /var/lib/dpkg/*-old /var/log/*.log /var/log/apt /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /usr/share/lintian
    find /usr -name __pycache__ -prune -exec rm -rf {} +
}

case $1 in
build)
    # shellcheck disable=SC2046
    get $(sh "$here/install-deps.sh" --list)
    make ptrain
    make install DESTDIR=/out
    strip /out/usr/local/bin/ptrain
    mkdir -p "/out/${listed%/*}"
    # Files stand in dpkg's books with and without /usr before them; openmpi-bin brings mpirun, ca-certificates whom https endpoints are trusted by.
    { echo openmpi-bin; echo ca-certificates; ldd /out/usr/local/bin/ptrain | awk '$3 ~ /^\// {print $3}' | while read -r so; do
        dpkg-query -S "$(readlink -f "$so")" 2>/dev/null || dpkg-query -S "$(readlink -f "$so" | sed 's#^/usr##')"; done | cut -d: -f1; } | sort -u >"/out/$listed"
    ;;
run)
    # shellcheck disable=SC2046
    get $(cat "/$listed")
    ;;
*)
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
    ;;
esac
