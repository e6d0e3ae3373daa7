#!/usr/bin/env bash
# what: upsample_nearest2d drops the gradient that its input has from elsewhere
# versions: candle-core 0.11.1
# a good guess would be: for y = sum(upsample(x)) + sum(3 x) the gradient of x is 4 + 3 = 7, as the sum of both parts' gradients
# seen: 4; the backward pass of the upsampling replaces what the other use of x had added, and 7 comes out where x is used through x + 0
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
cat >probe/src/main.rs <<'RUST'
use candle_core::{DType, Device, Result, Tensor, Var};

fn gradient(y: Tensor, x: &Var) -> Result<f32> {
    y.backward()?.get(x).expect("x has a gradient").flatten_all()?.get(0)?.to_scalar()
}

fn main() -> Result<()> {
    let x = Var::ones((1, 1, 2, 2), DType::F32, &Device::Cpu)?;
    let sum = |through: &Tensor| through.upsample_nearest2d(4, 4)?.sum_all()? + (x.as_tensor() * 3.0)?.sum_all()?;
    let direct = gradient(sum(x.as_tensor())?, &x)?;
    let copied = gradient(sum(&(x.as_tensor() + 0.0)?)?, &x)?;
    println!("gradient of x: {direct} used twice, {copied} with the upsampling on a copy; the sum of the parts is 7");
    let as_seen = direct == 4.0 && copied == 7.0;
    println!("{}", if as_seen { "as seen before" } else { "CHANGED" });
    std::process::exit(i32::from(!as_seen))
}
RUST
cargo run --quiet --manifest-path probe/Cargo.toml
