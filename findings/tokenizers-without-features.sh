#!/usr/bin/env bash
# what: candle-core compiles the crate tokenizers, with its regular expressions, even without default features
# versions: candle-core 0.11.1
# a good guess would be: with default-features = false a tensor library leaves text processing out, or has a feature for it
# seen: tokenizers is a dependency on every target but wasm32, in no feature's list; it brings 40 packages
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

mkdir -p probe/src
cat >probe/Cargo.toml <<'TOML'
[package]
name = "probe"
version = "0.0.0"
edition = "2021"
[dependencies]
candle-core = "=0.11.1"
[profile.dev]
debug = false
[workspace]
TOML
sed -i 's/^candle-core = .*/candle-core = { version = "=0.11.1", default-features = false }/' probe/Cargo.toml
echo 'fn main() {}' >probe/src/main.rs
cd probe
cargo generate-lockfile --quiet
packages() { cargo tree --prefix none --edges normal,build --format '{p}' "$@" | sed 's/ (.*//' | sort -u; }
all=$(packages)
without=$(packages --prune tokenizers)
found=$(grep -c '^tokenizers ' <<<"$all" || true)
features=$(cargo metadata --format-version 1 | python3 -c '
import json, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"] == "candle-core":
        print(sum("tokenizers" in name for feature in package["features"].values() for name in feature))')
printf 'packages: %d, of which tokenizers alone brings %d; features that name it: %d\n' \
    "$(wc -l <<<"$all")" "$(($(wc -l <<<"$all") - $(wc -l <<<"$without")))" "$features"
if ((found == 1 && features == 0)); then
    echo 'as seen before'
else
    echo 'CHANGED'
    exit 1
fi
