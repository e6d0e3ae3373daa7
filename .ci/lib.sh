# shellcheck shell=bash
# What tiers share. Loaded by .ci/tier, in the root of the repository.

export CARGO_INCREMENTAL="${CARGO_INCREMENTAL:-0}"

# say COMMAND…: prints a command and runs it.
say() {
    printf '    $ %s\n' "$*"
    "$@"
}

# apt_command COMMAND PACKAGE: installs Debian's PACKAGE unless COMMAND is there.
apt_command() {
    if command -v "$1" >/dev/null; then return; fi
    if ! command -v apt-get >/dev/null; then
        printf '%s is missing; install it and run this again\n' "$1" >&2
        return 1
    fi
    say apt-get update -qq
    DEBIAN_FRONTEND=noninteractive say apt-get install -y -qq "$2" >/dev/null
}

# python_with REQUIREMENTS: a Python with exactly those packages; sets `python`. Made again when the file changes.
python_with() {
    local requirements=$1 folder
    folder=target/tiers/python-$(sha256sum "$requirements" | cut -c1-16)
    python=$folder/bin/python
    if [[ -f $folder/complete ]]; then return; fi
    rm -rf "$folder"
    mkdir -p target/tiers
    say python3 -m venv "$folder"
    say "$python" -m pip install --quiet --disable-pip-version-check --only-binary :all: -r "$requirements"
    : >"$folder/complete"
}

# tool NAME: makes `NAME` of .ci/tools.txt a command: as a binary of a Python package, or built by cargo where there is none.
tool() {
    local name=$1 python version
    if [[ $(uname -sm) == 'Linux x86_64' ]] && command -v python3 >/dev/null; then
        python_with .ci/tools.txt
        PATH=$PWD/${python%/python}:$PATH
        return
    fi
    if command -v "$name" >/dev/null; then return; fi
    version=$(sed -n "s/^.*$name==\([0-9.]*\).*/\1/p" .ci/tools.txt)
    say cargo install --quiet --locked "$name@$version"
}

# run_tests_of FOLDER [ARG…]: runs the test programs of the package in FOLDER as `cargo test --workspace` builds them, so that nothing is built
# again; ARG… are for the test programs. Set environment variables before it.
run_tests_of() {
    local folder=$1 found program count=0
    shift
    found=$(cargo test --release --workspace --no-run --message-format json-render-diagnostics | python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["profile"]["test"] and message["manifest_path"].endswith(sys.argv[1] + "/Cargo.toml"):
        print(message["executable"])' "$folder")
    while read -r program; do
        (cd "$folder" && say "$program" --quiet "$@")
        count=$((count + 1))
    done <<<"$found"
    printf '%d test programs\n' "$count"
}

# skip REASON: ends the tier well, saying why it measured nothing.
skip() {
    printf 'skipped: %s\n' "$1"
    exit 0
}

# cpu_has FLAG…: whether this processor has all of them.
cpu_has() {
    local flag
    for flag in "$@"; do
        grep -qw "$flag" /proc/cpuinfo 2>/dev/null || return 1
    done
}
