#!/bin/bash
# The GPU's predictions (tests/bench/roofline.py): the script runs, docs/gpu.md and tests/bench/roofline.tsv are what it gives, and a kernel's budget moves its figure.
. "$(dirname "$0")/lib.bash"
python=${PYTHON:-python3}
if ! command -v "$python" >/dev/null; then
    echo "1..1"
    echo "ok 1 - predictions for GPUs # SKIP no python3"
    exit 0
fi
script=tests/bench/roofline.py
step_of() { # FILE OP: that line of the first table, its second chip, the H100
    awk -F'|' -v op=" $2 " '$2 == op { print $4; exit }' "$1"
}

"$python" $script >"$dir/out" 2>"$dir/err" && [ "$(awk -F'|' '$2 ~ /^ tokens.s/ { print NF }' "$dir/out" | sort | uniq -c | tr -s ' \n' ' ')" = " 1 7 6 8 " ]
result "three models on all five chips, two of them with kept weights too, and all three before and after"

"$python" $script --check >"$dir/out2" 2>"$dir/err"
result "docs/gpu.md and roofline.tsv are what the script gives"

sed 's/^\(lora_grad_k<2>\t90\tsmem\t\).*/\1120000/' tests/emu/gpu_budgets.tsv >"$dir/budgets"
GPU_BUDGETS=$dir/budgets "$python" $script >"$dir/more" 2>"$dir/err"
before=$(step_of "$dir/out" lora)
after=$(step_of "$dir/more" lora)
echo "lora: $before, then $after" >"$dir/why"
! cmp -s "$dir/budgets" tests/emu/gpu_budgets.tsv && [ -n "$before" ] && awk -v a="$before" -v b="$after" 'BEGIN { exit !(b > 1.1 * a) }'
result "a block that takes more shared memory waits longer"

GPU_BUDGETS=$dir/budgets "$python" $script --check >"$dir/out2" 2>"$dir/err"
[ $? = 1 ] && grep -q '^docs/gpu.md is not what' "$dir/out2" && grep -q '^tests/bench/roofline.tsv is not what' "$dir/out2"
result "and the check says that the pages are old"

"$python" $script --nonsense >"$dir/out2" 2>"$dir/err"
[ $? = 1 ] && grep -q '^usage' "$dir/err"
result "an argument that it does not know"
echo "1..$n"
