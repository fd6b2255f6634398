#!/bin/bash
# Every place that allocates, writes, syncs, renames, maps or opens fails once, and everything from there on; in every command (tests/force/force.bash).
# FORCE_PHASES, FORCE_KINDS choose a part.
cd "$(dirname "$0")/../.." || exit 2
force_dir=$(mktemp -d)
trap 'rm -rf "$force_dir"' EXIT
. tests/force/force.bash
[ -e "$force_shim" ] || { echo "not ok 1 - $force_shim is not built (make tests)"; exit 1; }
force_fixture || { echo "not ok 1 - fixture"; exit 1; }
force_phases=${FORCE_PHASES:-$force_phases}
for phase in $force_phases; do
    force_prepare "$phase" || { echo "not ok 1 - $phase without faults"; exit 1; }
done
for phase in $force_phases; do
    # each place alone; every fourth also with all that follows; and calls drawn at random between the places
    for kind in ${FORCE_KINDS:-mem write short sync rename map open}; do
        awk -v p="$phase" -v k="$kind" -v extra="${FORCE_EXTRA:-40}" 'BEGIN { srand(11) } $1 != k { next } $2 == "total" { total = $3; next }
            { print p, k, $2, "one"; if (k != "short" && (k != "mem" || NR % 4 == 0)) print p, k, $2, "from" }
            END { if (total > 200) for (i = 0; i < extra; i++) print p, k, 1 + int(rand() * total), "one" }' "$force_dir/want/$phase.places"
    done
done | sort -R --random-source=<(yes) >"$force_dir/cases"
echo "# figure $(wc -l <"$force_dir/cases") failing calls"
force_all "${FORCE_WORKERS:-$(nproc)}"
