#!/bin/bash
# The images without a Docker engine: docker/cpu.Dockerfile built twice and compared, steps of the quickstart's training, chat and export inside, size,
# user, labels; docker/cuda.Dockerfile up to the step that needs NVIDIA's base. buildah with chroot isolation and vfs; where that does not
# work, the same steps by chroot alone (image.sh, as the Dockerfile calls it). The base is made by debootstrap, slimmed as distributions do.
#   bash tests/image/image_check.sh           TAP
#   bash tests/image/image_check.sh --lock    writes docker/packages.lock anew from what the archive has today
cd "$(dirname "$0")/../.." || exit 2
limit=250 # MB, unpacked
keep=${PTRAIN_IMAGE_BASE:-$HOME/.cache/ptrain-image-base}
model=cache/SmolLM2-135M-Instruct.Q4_1.gguf
export SOURCE_DATE_EPOCH=1700000000
n=0; bad=0
say() { n=$((n + 1)); if [ "$1" = 0 ]; then echo "ok $n - $2"; else bad=1; echo "not ok $n - $2"; fi; }
skip() { echo "ok 1 - images # SKIP $1"; exit 0; }
why() { sed 's/^/# /' "$W/log" | tail -n 15; }
[ "$(id -u)" = 0 ] || skip "needs root for chroot"
sh docker/install-deps.sh debootstrap buildah >/dev/null 2>&1 || sh docker/install-deps.sh debootstrap >/dev/null 2>&1 || skip "debootstrap cannot be installed here"
W=$(mktemp -d /var/tmp/ptrain-image.XXXXXX)
B=(buildah --root "$W/store" --runroot "$W/state" --storage-driver vfs)
finish() {
    "${B[@]}" rm --all >/dev/null 2>&1
    for m in $(awk -v w="$W" 'index($2, w) == 1 {print $2}' /proc/mounts | sort -r); do umount -l "$m"; done
    rm -rf --one-file-system "$W"
}
trap finish EXIT

make_base() { # DIR: a Debian 12 with nothing but its base, that fetches packages as this machine does
    uri=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
    [ -n "$uri" ] || uri=$(awk '$1 == "deb" {for (i = 2; i <= NF; i++) if ($i ~ /^http/) {print $i; exit}}' /etc/apt/sources.list 2>/dev/null)
    debootstrap --variant=minbase --include=ca-certificates bookworm "$1" $uri || return 1
    cp -rL /etc/apt/sources.list.d "$1/etc/apt/"
    grep -lE 'bookworm' "$1"/etc/apt/sources.list.d/* | grep -qF .sources && : >"$1/etc/apt/sources.list"
    cp -L /etc/apt/apt.conf.d/99* "$1/etc/apt/apt.conf.d/" 2>/dev/null
    cp -L /usr/share/keyrings/* "$1/usr/share/keyrings/" 2>/dev/null
    for f in "$1"/etc/apt/sources.list.d/*; do grep -q debian.org "$f" || rm -f "$f"; done
    rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/* "$1"/var/log/*.log "$1"/usr/share/{doc,man,info,locale,lintian}/*
}
if [ ! -e "$keep/.ready" ]; then
    rm -rf --one-file-system "$keep"
    make_base "$keep" >"$W/log" 2>&1 || { why; skip "debootstrap could not make a Debian 12"; }
    touch "$keep/.ready"
fi

# What is in a tree, for comparing: kind, mode, owner, time, name, link, content.
listing() { (cd "$1" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run \) -prune -o -printf '%y %m %U:%G %T@ %p %l\n' | LC_ALL=C sort -k5
    find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum); }
tracked() { mkdir -p "$1" && git ls-files -z | tar --null --ignore-failed-read -T - -cf - 2>/dev/null | tar -xf - -C "$1"; }

works_buildah() {
    command -v buildah >/dev/null || return 1
    local c m
    c=$("${B[@]}" from scratch) && m=$("${B[@]}" mount "$c") && cp -a "$keep/." "$m/" && "${B[@]}" umount "$c" >/dev/null &&
        "${B[@]}" run --isolation chroot "$c" -- true && "${B[@]}" commit -q "$c" ptrain-base >/dev/null && "${B[@]}" rm "$c" >/dev/null
}
# build_NAME TAG FILE TARGET -> the image; root_NAME TAG -> a folder with its tree; in_NAME TAG COMMAND...: runs in a copy of it, /work is $W/work
build_buildah() {
    "${B[@]}" bud -q --isolation chroot --format docker --no-cache --timestamp $SOURCE_DATE_EPOCH --build-arg SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH \
        --build-arg BASE=localhost/ptrain-base --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null)" --target "$3" -t "$1" -f "$2" "$W/src" || return 1
    c=$("${B[@]}" from --pull-never "localhost/$1") && "${B[@]}" mount "$c" >"$W/root.$1" && echo "$c" >"$W/container.$1"
}
in_buildah() { local c; c=$(cat "$W/container.$1"); shift; "${B[@]}" run --isolation chroot --user ptrain -v "$W/work:/work" "$c" -- "$@"; }
build_chroot() { # the Dockerfile's own steps, read from it
    local a=$W/rootfs.$1.build b=$W/rootfs.$1
    cp -a "$keep" "$a" && mkdir "$a/src" && cp -a "$W/src/." "$a/src/" && mount -t proc proc "$a/proc" &&
        chroot "$a" env -i PATH="$PATH" SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH sh -c "cd /src && $(sed -n 's/^RUN //p' "$2" | sed -n 1p)" || return 1
    umount "$a/proc"
    echo "$a" >"$W/root.$1"
    [ "$3" = run ] || return 0
    cp -a "$keep" "$b" && cp -a "$a/out/." "$b/" && cp "$W"/src/docker/{image.sh,packages.lock} "$b/usr/local/share/ptrain/" && mount -t proc proc "$b/proc" &&
        chroot "$b" env -i PATH="$PATH" SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH sh -c "$(sed -n 's/^RUN //p' "$2" | sed -n 2p)" || return 1
    umount "$b/proc"
    find "$b" -xdev -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    echo "$b" >"$W/root.$1"
}
in_chroot() {
    local r; r=$(cat "$W/root.$1"); shift
    mountpoint -q "$r/work" || { mount --bind "$W/work" "$r/work"; mount -t proc proc "$r/proc"; }
    chroot --userspec=1000:1000 "$r" env -i PATH="$PATH" HOME=/home/ptrain sh -c 'cd /work && exec "$@"' _ "$@"
}

tracked "$W/src"
how=chroot
works_buildah >"$W/log" 2>&1 && how=buildah
[ $how = buildah ] || { chroot "$keep" true 2>>"$W/log" || { why; skip "neither buildah's chroot isolation nor chroot works here"; }; echo "# buildah does not work here:"; why; }
echo "# figure built by $how on a Debian 12 made by debootstrap"

if [ "${1:-}" = --lock ]; then
    : >"$W/src/docker/packages.lock"
    build_$how build docker/cpu.Dockerfile build 2>&1 | tail -n 3 && build_$how run docker/cpu.Dockerfile run 2>&1 | tail -n 3
    for t in build run; do dpkg-query --root="$(cat "$W/root.$t")" -W -f '${Package} ${Version}\n'; done | LC_ALL=C sort -u |
        sed "s/^/bookworm-$(dpkg --print-architecture) /" >docker/packages.lock
    wc -l docker/packages.lock
    exit
fi

build_$how one docker/cpu.Dockerfile run >"$W/log" 2>&1; rc=$?
say $rc "docker/cpu.Dockerfile builds with the locked versions"
[ $rc = 0 ] || { why; exit 1; }
root=$(cat "$W/root.one")
size=$(du -smx --exclude=proc --exclude=sys --exclude=dev "$root" | cut -f1)
echo "# figure unpacked size: $size MB (limit $limit)"
say $((size >= limit)) "the image is smaller than $limit MB"
say "$([ ! -e "$root/usr/bin/gcc" ] && [ ! -d "$root/src" ]; echo $?)" "neither compiler nor sources are in the run stage"
if [ $how = buildah ]; then
    "${B[@]}" inspect --type image localhost/one >"$W/inspect"
    for want in '"ptrain"' '"User": "ptrain"' 'org.opencontainers.image.licenses' '"doctor"'; do grep -qF "$want" "$W/inspect" || { echo "# lacks $want"; false; } || break; done
    say $? "entry point, user, labels and health check are set"
fi

mkdir -p "$W/work/cache" && cp -r configs data "$W/work/" && chmod 755 "$W" "$W/work" && chown -R 1000:1000 "$W/work"
in_$how one ptrain doctor >"$W/log" 2>&1; say $? "ptrain doctor runs inside, as the image's user"
if sh docker/fetch-base.sh $model >"$W/log" 2>&1; then
    cp $model "$W/work/cache/"
    in_$how one ptrain configs/rolellm.yaml --base_model=$model --max_steps=4 --eval_questions=2 >"$W/log" 2>&1; rc=$?
    say $rc "the quickstart's training runs inside, four steps of it"
    [ $rc = 0 ] || why
    in_$how one sh -c 'echo "Who are you?" | ptrain chat out/rolellm --role "Sergeant Brask" --temperature 0 --max-new-tokens 24' >"$W/log" 2>&1
    say "$([ $? = 0 ] && [ "$(wc -w <"$W/log")" -gt 3 ]; echo $?)" "chat answers inside"
    in_$how one ptrain export out/rolellm --to gguf-lora --out out/lora.gguf >"$W/log" 2>&1
    say "$([ "$(head -c 4 "$W/work/out/lora.gguf" 2>/dev/null)" = GGUF ]; echo $?)" "the export is written inside"
    say "$([ "$(stat -c %u "$W/work/out/lora.gguf" 2>/dev/null)" = 1000 ]; echo $?)" "what a run writes belongs to the user, not to root"
else
    n=$((n + 1)); echo "ok $n - training, chat, export inside # SKIP the base model could not be fetched"
fi

build_$how two docker/cpu.Dockerfile run >"$W/log" 2>&1 || why
listing "$root" >"$W/one.list"; listing "$(cat "$W/root.two")" >"$W/two.list"
cmp -s "$W/one.list" "$W/two.list"; rc=$?
say $rc "a second build has the same files, modes, owners, times and bytes ($(wc -l <"$W/one.list") lines compared)"
[ $rc = 0 ] || diff "$W/one.list" "$W/two.list" | head -n 20 | sed 's/^/# /'

build_$how cuda docker/cuda.Dockerfile program >"$W/log" 2>&1; rc=$?
say $rc "docker/cuda.Dockerfile builds up to the step that needs NVIDIA's base"
[ $rc = 0 ] || why
echo "1..$n"
exit $bad
