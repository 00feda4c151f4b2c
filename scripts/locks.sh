#!/usr/bin/env bash
# Pins every version and every hash anew, for Python 3.10 and later: scripts/locks.sh [--upgrade]
#
# Reads pyproject.toml, writes scripts/locks/*.txt. Versions that are pinned stay, unless --upgrade asks for new ones.
# Needs uv (pip install uv) and the network. What each lock is for: CONTRIBUTING.md.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "$0: error: no uv on PATH: pip install uv" >&2; exit 1; }

# lock NAME "WHAT FOR" SOURCE...: the locks after the first take its versions.
lock() {
  local file=scripts/locks/$1.txt made
  made=$(mktemp)
  [ ! -f "$file" ] || cp "$file" "$made"
  uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
    "${upgrade[@]}" "${@:3}" -o "$made"
  { printf '# %s Made by scripts/locks.sh\n' "$2"; grep -v '^#' "$made"; } > "$file"
  rm -f "$made"
}

upgrade=("$@")
lock ci "All that .ci/run installs." pyproject.toml --all-extras scripts/locks/build.in
upgrade=(--constraints scripts/locks/ci.txt)
lock test "What ./test installs." pyproject.toml --extra test scripts/locks/build.in
lock run "What krm-harden needs to run, and to be installed from here." pyproject.toml scripts/locks/build.in
lock wheel "What builds the wheel." scripts/locks/build.in
lock kubectl "The kubectl of ./demo, where none is on PATH." scripts/locks/kubectl.in
