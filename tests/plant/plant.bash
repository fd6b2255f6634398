# What tests that plant something share: a build beside the present one in which only what sees the makefile's lists is compiled, and small helpers.
# shellcheck shell=bash
# shellcheck source=tests/cli/lib.bash
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.bash"
src=$(dirname "${PTRAIN:-build/gcc/ptrain}") # build/ptrain is a copy: no objects stand beside it
dst=build/plant.$$
[ -d "$src/train/objective" ] || { echo "ok 1 - something is planted # SKIP no objects beside the program"; exit 0; }
trap 'rm -rf "$dir" $dst' EXIT
# plant WHAT LIST+=FILES...: the program, and the emulated plugin where there is one, with more entries. Objects are linked, not copied: compilers write
# new files.
plant() {
    local what=$1 built targets=$dst/ptrain objects
    shift
    mkdir -p $dst
    (cd "$src" && find . -name '*.o' -o -name '*.a' | grep -v '^./tests/\|^./emu-[ac]\|^./emu-plain/tests/' | xargs cp -al --parents -t "$OLDPWD/$dst" && cp -p .flags "$OLDPWD/$dst/.flags")
    find $dst -name group_loss_ref.o -o -name objective.o -o -name metric_table.o -o -name data_types.o -o -name task.o -o -name grouploss.cu.o | xargs rm -f
    [ -e "$src/libptrain-emulated.so" ] && targets+=" $dst/libptrain-emulated.so"
    # shellcheck disable=SC2086
    env -u MAKEFLAGS -u MAKELEVEL -u MAKEOVERRIDES make -s BUILD=$dst "$@" $targets >"$dir/log" 2>&1
    built=$? objects=$(grep -c '^  build .*\.o$' "$dir/log")
    [ $built -eq 0 ] && [ "$objects" -le 8 ]
    result "the program is built with $what; $objects objects are compiled"
    p=$dst/ptrain
}
field() { sed -n "s|.*\"$2\": *\([^,}]*\).*|\1|p" "$dir/$1/metrics.jsonl"; } # RUN FIELD: its values, a line a step
close() { # RUN RUN FIELD TOLERANCE: the same in every step
    paste <(field "$1" "$3") <(field "$2" "$3") | awk -v t="$4" '{ d = $1 - $2; if (d < 0) d = -d; m = $1 < 0 ? -$1 : $1; if (d > t * (1 + m)) { print "'"$3"'", $1, $2; bad = 1 } n++ } END { exit bad || n < 2 }' >>"$dir/log"
}
train() { # OUT YAML [MORE...]: before it `ranks=N`
    local out=$1 yaml=$2 start=()
    shift 2
    [ "${ranks:-1}" = 1 ] || start=(mpirun --allow-run-as-root --oversubscribe -n "$ranks")
    "${start[@]}" $p "$dir/$yaml" --output_dir="$dir/$out" "$@" >"$dir/log" 2>&1
}
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
