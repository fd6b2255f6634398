#!/bin/bash
# Every place that allocates, writes, syncs, renames, maps or opens fails once, and everything from there on; in every command (tests/force/force.bash).
# FORCE_PHASES, FORCE_KINDS choose a part.
cd "$(dirname "$0")/../.." || exit 2
force_dir=$(mktemp -d)
trap 'rm -rf "$force_dir"' EXIT
. tests/force/force.bash
[ -e "$force_shim" ] || { echo "not ok 1 - $force_shim is not built (make tests)"; exit 1; }
force_fixture || { echo "not ok 1 - fixture"; exit 1; }
if "$force_ptrain" plan "$force_dir/bf16.yaml" --output_dir="$force_dir/none" >/dev/null 2>&1; then force_phases+=" train-bf16"; else
    echo "# skip training in bf16: this processor has no such product"
fi
force_phases=${FORCE_PHASES:-$force_phases}
for phase in $force_phases; do
    force_prepare "$phase" || { echo "not ok 1 - $phase without faults"; exit 1; }
done
for phase in $force_phases; do
    awk -v p="$phase" '{ print p, $0 }' "$force_dir/want/$phase.places"
done | awk -v kinds=" ${FORCE_KINDS:-mem write short sync rename map open} " -v extra="${FORCE_EXTRA:-40}" 'BEGIN { srand(11) }
    # each place alone, and with all that follows (of the places that allocate every fourth); a place that allocates once only, in the
    # first command that has it; and allocations drawn at random between the places
    !index(kinds, " " $2 " ") { next }
    $3 == "total" { if ($2 == "mem") for (i = 0; i < extra; i++) print $1, $2, 1 + int(rand() * $4), "one"; next }
    $2 == "mem" && tried[$4]++ { next }
    { print $1, $2, $3, "one"; if ($2 != "short" && ($2 != "mem" || ++n % 4 == 0)) print $1, $2, $3, "from" }' | sort -R --random-source=<(yes) >"$force_dir/cases"
echo "# figure $(wc -l <"$force_dir/cases") failing calls"
force_all "${FORCE_WORKERS:-$force_cores}"
