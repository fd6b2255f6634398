#!/bin/bash
# The include direction of CONTRIBUTING.md: a file includes only from its own folder and the folders that its own may use.
cd "$(dirname "$0")/.." || exit 2
# folder: what it may include, itself and base among it.
rules='
base: base
kernels: kernels base
data/text: data/text base
data/constrain: data/constrain data/text base
data/read: data/read data/text base
data/pack: data/pack data/read data/text base
data/batch: data/batch data/pack data/read data/text base
data/audit: data/audit data/pack data/read data/text base
checkpoints: checkpoints base
train/dist: train/dist base
train/model: train/model kernels data/batch data/pack data/read data/text checkpoints train/dist base
train/generate: train/generate train/model kernels data/batch data/pack data/constrain data/read data/text checkpoints base
train/export: train/export train/model kernels data/text checkpoints base
train/objective: train/objective base
train/optim: train/optim kernels train/dist base
eval/stat: eval/stat base
eval/text: eval/text data/text base
eval/page: eval/page base
eval/ask: eval/ask train/generate train/model kernels data/batch data/pack data/constrain data/read data/text train/dist base
eval/http: eval/http eval/ask data/read data/text base
eval/metric: eval/metric eval/text eval/stat base
eval/task: eval/task eval/metric eval/ask eval/text eval/stat data/constrain data/read data/text base
eval/suite: eval/suite eval/task eval/metric eval/ask eval/text eval/stat train/generate train/model kernels data/batch data/pack data/constrain data/read data/text checkpoints train/dist base
train/loop: train/loop eval/suite eval/task eval/metric eval/http eval/ask eval/text eval/stat train/export train/generate train/objective train/optim train/model kernels data/batch data/audit data/pack data/constrain data/read data/text checkpoints train/dist base
train/cli: train/cli train/loop eval/page eval/suite eval/task eval/metric eval/http eval/ask eval/text eval/stat train/export train/generate train/objective train/optim train/model kernels data/batch data/audit data/pack data/constrain data/read data/text checkpoints train/dist base
'
check_tree() { # prints the offending lines
    (cd "$1" && grep -rnE '^ *# *include *"' . --include='*.[ch]' --include='*.cu' --include='*.cuh') | awk -v rules="$rules" '
        function folder(path,   p) { split(path, p, "/"); return p[1] == "train" || p[1] == "data" || p[1] == "eval" ? p[1] "/" p[2] : p[1] }
        BEGIN {
            n = split(rules, line, "\n")
            for (i = 1; i <= n; i++) if (split(line[i], kv, ": ") == 2) may[kv[1]] = " " kv[2] " "
        }
        {
            sub(/^\.\//, "")
            split($0, part, ":"); split($0, quoted, "\"")
            from = folder(part[1])
            # The list that the makefile makes of the objectives: those who run their cores or declare them.
            if (quoted[2] == "reader_list.h" && part[1] == "data/read/data_types.c") next
            if (quoted[2] == "metric_list.h" && part[1] == "eval/metric/metric_table.c") next
            if (quoted[2] == "task_list.h" && part[1] == "eval/task/task.c") next
            if (quoted[2] == "family_list.h" && part[1] == "train/model/families.c") next
            if (quoted[2] == "objective_list.h") {
                if (part[1] !~ /^(kernels\/ref\/group_loss_ref\.c|kernels\/cuda\/grouploss\.cu|train\/objective\/objective\.c|tests\/.*)$/)
                    print part[1] ":" part[2] " includes the objectives: only group_loss of a backend may"
                next
            }
            if (from in may && !index(may[from], " " folder(quoted[2]) " "))
                print part[1] ":" part[2] " includes " quoted[2] ": " from " may use only:" may[from]
        }'
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
# Which objective it is, nobody asks outside train/objective: not by a name, not by a core.
n=$((n + 1))
names=$(sed -n 's/^override OBJECTIVES := \(.*\) $(OBJECTIVES)$/\1/p' Makefile | tr ' ' '|')
named=$(grep -rnE "\"($names)\"|\b(pt_core|pt_objective)_($names)\b" base kernels data checkpoints train eval --include='*.[ch]' --include='*.cu' --include='*.cuh' | grep -v '^train/objective/')
if [ -n "$names" ] && [ -z "$named" ]; then echo "ok $n - no objective is named outside train/objective"; else echo "$named"; echo "not ok $n - no objective is named outside train/objective"; fi
# Nor which type a data set has, outside data/read.
n=$((n + 1))
types=$(sed -n 's/^override READERS := \(.*\) $(READERS)$/\1/p' Makefile | tr ' ' '|')
asked=$(grep -rnE "strcmp\(pt_reader_type|strcmp\([^\"]*type[^\"]*\"($types)\"|\bpt_data_type_($types)\b" base kernels data checkpoints train eval --include='*.[ch]' | grep -v '^data/read/')
if [ -n "$types" ] && [ -z "$asked" ]; then echo "ok $n - no data type is asked for by name outside data/read"; else echo "$asked"; echo "not ok $n - no data type is asked for by name outside data/read"; fi
# Nor which family a model is of, outside its table.
n=$((n + 1))
families=$(sed -n 's/.*\.name = "\([a-z0-9_]*\)".*/\1/p' train/model/family/*.c | paste -sd'|')
asked=$(grep -rnE "(family|arch)[^;\"]*\"($families)\"" base kernels data checkpoints train eval --include='*.c' --include='*.cu' | grep -v '^train/model/family/')
if [ -n "$families" ] && [ -z "$asked" ]; then echo "ok $n - no family is asked for by name outside its table"; else echo "$asked"; echo "not ok $n - no family is asked for by name outside its table"; fi
# A key of a data set that code asks for by name is declared by a reader: a wrong name would never be said.
n=$((n + 1))
unknown=$(comm -23 <(grep -rhoE '(pt_dataset_(says|value|say)|pt_row_(column|text)|own_number)\([^"]*, "[a-z_]+"' data train eval --include='*.[ch]' | sed 's/.*"\(.*\)"/\1/' | sort -u) \
    <(grep -rhoE '\.key = "[a-z_]+"' data/read | sed 's/.*"\(.*\)"/\1/' | sort -u))
if [ -z "$unknown" ]; then echo "ok $n - keys of data sets that are asked for are declared"; else echo "$unknown"; echo "not ok $n - keys of data sets that are asked for are declared"; fi
# Unique file names and the size of files.
n=$((n + 1))
dup=$(git ls-files 'base/*' 'kernels/*' 'data/*/*.[ch]' 'checkpoints/*' 'train/*' 'eval/*' | grep -E '\.(c|h|cu|cuh)$' | xargs -n1 basename | grep -vE '^(config|main)\.' | sort | uniq -d)
if [ -z "$dup" ]; then echo "ok $n - file names are unique"; else echo "$dup"; echo "not ok $n - file names are unique"; fi
# No file over 600 lines, no function over 70; tables and two kernels, whose loops are one piece, excepted.
n=$((n + 1))
long=$(git ls-files 'base/*' 'kernels/*' 'data/*/*.[ch]' 'checkpoints/*' 'train/*' 'eval/*' 'tests/*/*.[ch]' | grep -E '\.(c|h|cu|cuh)$' | xargs awk '
    FNR == 1 { start = 0 }
    FNR == 601 { print FILENAME ": more than 600 lines" }
    /^\{$/ { start = FNR }
    /^\}$/ && start { if (FNR - start >= 70 && FILENAME !~ /^tests\// && FILENAME !~ /cuda\/attention_(fwd|bwd)\.cu$/) print FILENAME ":" start ": a function of " FNR - start + 1 " lines"; start = 0 }')
if [ -z "$long" ]; then echo "ok $n - files and functions are short"; else echo "$long"; echo "not ok $n - files and functions are short"; fi
