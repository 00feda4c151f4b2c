#!/usr/bin/env bash
# Builds krm-harden with its own Python into one folder that runs wherever it is copied: scripts/relocatable.sh FOLDER
#
# On Debian 12 or 13, of their Python and of PyPI's packages, with the versions and hashes of
# scripts/container/*.txt. The folder has its own libc: it runs on every Linux of the same processor, whatever is
# installed there.
set -euo pipefail
die() { echo "$0: error: $1" >&2; exit 1; }
[ $# = 1 ] || die "usage: $0 FOLDER"
folder=$(realpath -m "$1")
cd "$(dirname "$0")/.."

missing=()
for package in binutils gcc libc6-dev python3 python3-pip python3-venv; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} = 0 ] || die "missing here: apt-get install --no-install-recommends ${missing[*]}"
[ ! -e "$folder" ] || [ -z "$(ls -A "$folder")" ] || die "$folder isn't empty: name a new folder, or remove it"

system=/usr/bin/python3
python=$($system -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
library=$folder/lib/$python
packages=("$python-minimal" "lib$python-minimal" "lib$python-stdlib")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What only another program would use, and what needs libraries that nothing else here needs.
unused=(config-* curses dbm distutils ensurepip idlelib lib2to3 pydoc_data sitecustomize.py sqlite3 test tkinter
  turtledemo unittest venv
  lib-dynload/{_codecs_*,_crypt,_curses*,_dbm,_sqlite3,_test*,_xxtest*,audioop,nis,ossaudiodev,readline,xxlimited*}.*)

mkdir -p "$folder/bin" "$library"
cp -L "/usr/bin/$python" "$folder/bin/$python"
dpkg -L "${packages[@]}" | sed -n "s|^/usr/lib/$python/||p" |
  tar -C "/usr/lib/$python" -c --dereference --no-recursion -T - | tar -C "$library" -x --no-same-owner
(cd "$library" && rm -rf ${unused[@]}) # unquoted: they are patterns

# Python's packages in an environment of their own, then from there: so the SBOM tool sees what is there.
pip() { $system -m pip --disable-pip-version-check --quiet --no-input "$@"; }
environment() { # environment FOLDER LOCK, which is whole: what isn't in it isn't wanted
  $system -m venv --without-pip "$1"
  pip --python "$1/bin/python" install --require-hashes --no-deps --only-binary :all: -r "$2"
}
environment "$work/runtime" scripts/container/runtime.txt
tools=${TOOLS:-$work/tools} # TOOLS keeps them for what comes after this script
environment "$tools" scripts/container/build.txt
"$tools/bin/hatchling" build -t wheel -d "$work/wheel" >/dev/null
pip --python "$work/runtime/bin/python" install --no-deps --no-index --find-links "$work/wheel" krm-harden
mkdir -p "$folder/lib/python3"
cp -r "$work/runtime/lib/$python/site-packages" "$folder/lib/python3/dist-packages"
# The second of two backends; and lists of the files of another place, which would differ from build to build.
rm -f "$folder"/lib/python3/dist-packages/{zstandard/_cffi.*.so,*.dist-info/RECORD}
find "$folder/lib/python3" -name '*.so' -exec strip --strip-unneeded {} +

# package_of FILE: dpkg knows a file by the path below / or below /usr, wherever it is one by a link.
package_of() {
  local found
  found=$(dpkg -S "$1" "/usr$1" 2>/dev/null || true)
  found=$(sed -n '/^diversion/!{s/:.*//p;q}' <<< "$found")
  [ -n "$found" ] || die "no package has $1"
  echo "$found"
}

# Every library that these ask for, with loader and libc; libgcc_s is what the libc asks for where a thread ends.
find "$folder" -type f \( -name '*.so' -o -path '*/bin/python*' \) -exec ldd {} + | grep -o '/[^ ]*\.so[^ ]*' |
  grep -v -e ':$' -e "^$folder/" | cat - <(ldconfig -p | grep -o '/.*/libgcc_s\.so\.1$') | sort -u |
  while read -r file; do
    cp -L "$file" "$folder/lib/"
    package_of "$file"
  done | sort -u > "$work/libraries"
mapfile -t -O "${#packages[@]}" packages < "$work/libraries"
loader=$(cd "$folder/lib" && echo ld-linux-*.so.*)

install -m 644 scripts/container/start.py "$folder/lib/start.py"
gcc -O2 -Wall -Wextra -Werror -static -s "-DPYTHON=\"$python\"" "-DLOADER=\"$loader\"" -o "$folder/krm-harden" \
  scripts/container/launcher.c

# Byte code that counts whatever becomes of the files' times: nothing writes it again.
$system -I -S -m compileall -q -f --invalidation-mode unchecked-hash -s "$folder" -p /opt/krm-harden "$folder/lib"

documents=$folder/share/doc
install -D -m 644 LICENSE "$documents/krm-harden/LICENSE"
for package in "${packages[@]}"; do
  install -D -m 644 "/usr/share/doc/$package/copyright" "$documents/$package/copyright"
done
"$tools/bin/cyclonedx-py" environment --output-reproducible -o "$work/python.json" "$work/runtime"
"$tools/bin/python" scripts/container/sbom.py "$work/python.json" "${packages[@]}" \
  > "$documents/krm-harden/sbom.cdx.json"
"$folder/krm-harden" --version
