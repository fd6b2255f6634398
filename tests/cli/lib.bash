# What shell tests share; each begins with  . "$(dirname "$0")/lib.bash"  and goes on in the project's root:
#   $ptrain, $p   the program
#   $dir          a folder of the test's own, gone when it ends; what commands say goes to $dir/out, $dir/err, $dir/log or $dir/why, whose ends stand above what failed
#   result NAME   a line of TAP by the exit code of what stands before it. A $(command) in NAME hides that code: run it first, and keep the code
#   echo "1..$n"  is the last line
# shellcheck shell=bash disable=SC2034
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
p=$ptrain
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
result() {
    local ok=$?
    n=$((n + 1))
    if [ $ok -eq 0 ]; then echo "ok $n - $1"; else
        tail -qn 6 "$dir/out" "$dir/err" "$dir/log" "$dir/why" 2>/dev/null | sed 's/^/# /'
        echo "not ok $n - $1"
    fi
}
