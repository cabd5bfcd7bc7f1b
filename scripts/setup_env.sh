#!/usr/bin/env bash
# Makes the virtual environment and, unless called with --no-jars, fetches the Delta jars.
# A second run is instant: a stamp holds the hash of what the environment was made from.
set -euo pipefail
cd "$(dirname "$0")/.."

VENV="${VENV:-.venv}"
EXTRAS="${EXTRAS:-local,cpu,data,connect,dev}"
STAMP="$VENV/.parlevel-stamp"

say() { printf '%s\n' "$*"; }
stop() { printf 'setup: %s\n' "$*" >&2; exit 2; }

is_right() {  # a Python 3.11 that can make virtual environments
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3 python; do
        if is_right "$candidate"; then say "$candidate"; return; fi
        if [ "$candidate" = "${PYTHON:-}" ]; then break; fi
    done
    local seen
    seen="$("${PYTHON:-python3}" --version 2>&1 || true)"
    stop "Python 3.11 with its venv module must be installed. Got: ${seen:-no python}.
  Debian and Ubuntu: apt-get install python3.11 python3.11-venv; macOS: brew install python@3.11; else pyenv install 3.11.
  If it lies elsewhere: make setup PYTHON=/path/to/python3.11"
}

doctor() { PYTHONPATH=lib "$@" -m parlevel.doctor --quiet "${CHECKS[@]}" || exit 2; }

fingerprint() {  # what the environment is made from
    { "$1" --version; cat constraints.txt setup.py; say "$EXTRAS" "$PWD"; } | "$1" -c \
        'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'
}

make_venv() {
    local base
    base="$(find_python)"
    CHECKS=(python folder disk --disk 5 --warehouse .)
    doctor "$base"
    say "setup: making $VENV with $("$base" --version)"
    "$base" -m venv "$VENV"
}

install() {
    say "setup: installing the pinned packages (about two minutes, 2.8 GB)"
    "$VENV/bin/python" -m pip install --quiet --no-input --disable-pip-version-check -c constraints.txt \
        'setuptools>=68,<81' wheel -e ".[$EXTRAS]" ||
        stop "pip could not install the packages; its message is above.
  If an earlier set-up was interrupted, delete $VENV (rm -rf $VENV) and try again.
  Without network: fill a folder once with: pip download -c constraints.txt -d WHEELS '.[$EXTRAS]' 'setuptools>=68,<81' wheel
  and run: PIP_NO_INDEX=1 PIP_FIND_LINKS=WHEELS make setup"
}

if [ -e "$VENV/bin/python" ] && ! is_right "$VENV/bin/python"; then
    stop "$VENV must hold Python 3.11. Got: $("$VENV/bin/python" --version 2>&1 || true). Delete it (rm -rf $VENV) and try again."
fi
[ -x "$VENV/bin/python" ] || make_venv
wanted="$(fingerprint "$VENV/bin/python")"
if [ "$(cat "$STAMP" 2>/dev/null || true)" != "$wanted" ]; then
    "$VENV/bin/python" -W ignore scripts/env_is_right.py "$EXTRAS" || install
    say "$wanted" >"$STAMP"
fi
if [ "${1:-}" != "--no-jars" ]; then
    CHECKS=(java)
    doctor "$VENV/bin/python"
    "$VENV/bin/python" -m parlevel.jars >/dev/null
fi
