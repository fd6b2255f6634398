#!/bin/bash
# The include direction of CONTRIBUTING.md: a file includes only from its own folder and the folders that its own may use.
cd "$(dirname "$0")/.." || exit 2
allowed() {
    case $1 in
    base) echo "base" ;;
    kernels | data | checkpoints | train/dist) echo "$1 base" ;;
    train/model) echo "train/model kernels data checkpoints train/dist base" ;;
    train/objective) echo "train/objective base" ;;
    train/optim) echo "train/optim kernels train/dist base" ;;
    eval) echo "eval train/model kernels data checkpoints train/dist base" ;;
    train/loop) echo "train/loop eval train/objective train/optim train/model kernels data checkpoints train/dist base" ;;
    train/cli) echo "train/cli train/loop eval train/objective train/optim train/model kernels data checkpoints train/dist base" ;;
    esac
}
folder_of() {
    case $1 in
    train/*) echo "$1" | cut -d/ -f1,2 ;;
    *) echo "$1" | cut -d/ -f1 ;;
    esac
}
check_tree() { # prints the offending lines
    grep -rnE '^ *# *include *"' "$1" --include='*.[ch]' --include='*.cu' --include='*.cuh' | sed "s#^$1/##" | while IFS=: read -r file line text; do
        from=$(folder_of "$file")
        rules=$(allowed "$from")
        [ -n "$rules" ] || continue
        inc=$(echo "$text" | sed -E 's/.*"([^"]*)".*/\1/')
        to=$(folder_of "$inc")
        case " $rules " in *" $to "*) ;; *) echo "$file:$line includes $inc: $from may use only: $rules" ;; esac
    done
}
n=0
bad=$(check_tree .)
n=$((n + 1))
if [ -z "$bad" ]; then echo "ok $n - includes go up the list only"; else echo "$bad"; echo "not ok $n - includes go up the list only"; fi
# The detector is tested too: a planted arrow downwards must be found.
tmp=$(mktemp -d)
mkdir -p "$tmp/base" && echo '#include "kernels/ops.h"' >"$tmp/base/bad.c"
n=$((n + 1))
if [ -n "$(check_tree "$tmp")" ]; then echo "ok $n - a planted include downwards is found"; else echo "not ok $n - a planted include downwards is found"; fi
rm -rf "$tmp"
# Unique file names and the size of files.
n=$((n + 1))
dup=$(git ls-files 'base/*' 'kernels/*' 'data/*.[ch]' 'checkpoints/*' 'train/*' 'eval/*' | grep -E '\.(c|h|cu|cuh)$' | xargs -n1 basename | grep -vE '^(config|main)\.' | sort | uniq -d)
if [ -z "$dup" ]; then echo "ok $n - file names are unique"; else echo "$dup"; echo "not ok $n - file names are unique"; fi
