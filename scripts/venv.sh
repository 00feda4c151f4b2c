# What ./demo and ./test share: a virtual environment in .venv, made once. Sourced, in the project's folder.

die() {
    printf '%s: error: %s\n' "$0" "$1" >&2
    exit 1
}

# venv_with LOCK: .venv holds what scripts/locks/LOCK.txt pins, each by its hash, and krm-harden itself, from here.
# Quick when nothing has changed.
venv_with() {
    lock=scripts/locks/$1.txt
    stamp=".venv/.$1"
    state="$(pwd) $(cat pyproject.toml "$lock" | cksum)"
    if .venv/bin/python -c '' 2>/dev/null && [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then
        return
    fi
    .venv/bin/python -c '' 2>/dev/null || make_venv
    printf 'Setting up .venv: what %s pins\n' "$lock" >&2
    { pip install --quiet --require-hashes --no-deps -r "$lock" &&
        pip install --quiet --no-deps --no-build-isolation -e .; } ||
        die "pip couldn't install what $lock pins: is the network there? PIP_INDEX_URL names another index.
Nothing outside .venv was changed; run the command again once it is."
    printf '%s' "$state" > "$stamp"
}

# A Python from 3.10 on: $PYTHON, else the first of PATH.
find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python3.10}; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    die "no Python 3.10 or newer on PATH (looked for ${PYTHON:-python3, python3.10 to python3.14}); PYTHON=... names one"
}

make_venv() {
    python=$(find_python)
    rm -rf .venv
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv .venv || die "$python -m venv .venv failed"
    else
        # Debian without python3-venv: the environment can be made, only pip isn't in it.
        "$python" -m venv --without-pip .venv || die "$python has no venv: apt-get install python3-venv"
    fi
}

# pip, into .venv: its own, else the system's, else the one that Debian keeps as a wheel.
pip() {
    if .venv/bin/python -m pip --version >/dev/null 2>&1; then
        .venv/bin/python -m pip --disable-pip-version-check "$@"
    else
        .venv/bin/python "$(pip_wheel)/pip" --disable-pip-version-check "$@"
    fi
}

pip_wheel() {
    for wheel in /usr/share/python-wheels/pip-*.whl .venv/share/usr/share/python-wheels/pip-*.whl; do
        [ ! -f "$wheel" ] || { printf '%s' "$wheel"; return; }
    done
    mkdir -p .venv/share
    (cd .venv/share && apt-get download python3-pip-whl && dpkg-deb -x python3-pip-whl_*.deb .) >/dev/null 2>&1 ||
        die "this Python has no pip, and Debian's couldn't be fetched: apt-get install python3-venv, then run the command again"
    printf '%s' .venv/share/usr/share/python-wheels/pip-*.whl
}
