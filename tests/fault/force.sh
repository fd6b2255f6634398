#!/bin/bash
# Allocations, writes, syncs, renames and maps that fail, in a dozen commands: a sample of tests/full/force.sh (tests/force/force.bash).
cd "$(dirname "$0")/../.." || exit 2
force_dir=$(mktemp -d)
trap 'rm -rf "$force_dir"' EXIT
. tests/force/force.bash
[ -e "$force_shim" ] || { echo "not ok 1 - $force_shim is not built (make tests)"; exit 1; }
force_fixture || { echo "not ok 1 - fixture"; exit 1; }
force_phases="train-lora pack export-peft export-gguf generate tokenize"
for phase in $force_phases; do
    force_prepare "$phase" || { echo "not ok 1 - $phase without faults"; exit 1; }
done
for phase in $force_phases; do
    for few in mem:6:one mem:1:from write:1:from short:1:one sync:1:one rename:1:one map:1:one; do
        IFS=: read -r kind many mode <<<"$few"
        # places in equal distances, the last one with them
        awk -v k="$kind" '$1 == k && $2 != "total" { print $2 }' "$force_dir/want/$phase.places" | sort -n |
            awk -v p="$phase" -v k="$kind" -v m="$many" -v mode="$mode" '{ at[NR] = $1 } END {
                if (m > NR) m = NR
                for (i = 1; i <= m; i++) print p, k, at[int(NR * i / m)], mode }'
    done
done >"$force_dir/cases"
echo "# figure $(wc -l <"$force_dir/cases") failing calls"
force_all "$force_cores"
