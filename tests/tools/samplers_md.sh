#!/bin/bash
# samplers_md.sh < `ptrain help samplers --markdown` > docs/generation.md: the page with the table of samplers put in between its marks.
cd "$(dirname "$0")/../.." || exit 2
awk 'FNR == NR { table = table $0 "\n"; next } /^<!-- samplers:/ { print; printf "%s", table; skip = 1 } /^<!-- end of samplers/ { skip = 0 } !skip && !/^<!-- samplers:/' - docs/generation.md
