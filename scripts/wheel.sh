#!/usr/bin/env bash
# Builds the wheel and the source archive, the same bytes every time: scripts/wheel.sh FOLDER
#
# With the tools of scripts/locks/wheel.txt, which are checked by their hashes. Times in the archives are those of the
# last commit, or SOURCE_DATE_EPOCH. Prints the SHA-256 of both: whoever builds the same commit gets the same.
set -euo pipefail
die() { echo "$0: error: $1" >&2; exit 1; }
[ $# = 1 ] || die "usage: $0 FOLDER"
mkdir -p "$1"
folder=$(realpath "$1")
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} && export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/tools" || die "$python has no venv: apt-get install python3-venv"
"$work/tools/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
  -r scripts/locks/wheel.txt
"$work/tools/bin/hatchling" build -t wheel -t sdist -d "$work/dist" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
for file in "$work"/dist/*; do
  touch --date="@$SOURCE_DATE_EPOCH" "$file"
  mv "$file" "$folder/"
done
cd "$folder"
sha256sum krm_harden-*.whl krm_harden-*.tar.gz
