#!/bin/bash
# objectives_md.sh < `ptrain help objective --markdown` > docs/objectives.md: puts the equations and sources (the first comment of each
# train/objective/NAME_core.h) and the configs in.
cd "$(dirname "$0")/../.." || exit 2
while IFS= read -r line; do
    case $line in
    "@source "*)
        echo '```'
        awk '/^\/\*/ { on = 1 } on { gsub(/^\/\* ?|^ \* ?| *\*\/$/, ""); print } on && /\*\// { exit } { if (index($0, "*/")) exit }' <(awk '{ print } /\*\// { exit }' "train/objective/${line#@source }_core.h")
        echo '```' ;;
    "@configs "*)
        configs=$(grep -lE "(^|[ {,])${line#@configs }([ ,}]|$)" configs/*.yaml configs/recipes/*.yaml | sed 's|.*|[&](../&)|' | paste -sd, | sed 's/,/, /g')
        [ -z "$configs" ] || echo "Used in $configs." ;;
    *) printf '%s\n' "$line" ;;
    esac
done
