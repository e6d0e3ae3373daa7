#!/usr/bin/env bash
# what: the gradient of avg_pool2d is wrong where the kernel does not divide the size of its input
# versions: candle-core 0.11.1
# a good guess would be: pooling 5 numbers by 2 gives 2 means, as the last number is in no window: gradient 1/2 four times, then 0
# seen: the values are right, the gradient is 1/2 five times: the number that no window reads has a gradient too
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
use candle_core::{Device, Result, Tensor, Var};

fn main() -> Result<()> {
    let x = Var::from_tensor(&Tensor::new(&[1f32, 3.0, 5.0, 7.0, 100.0], &Device::Cpu)?.reshape((1, 1, 1, 5))?)?;
    let y = x.avg_pool2d((1, 2))?;
    let values: Vec<f32> = y.flatten_all()?.to_vec1()?;
    let gradient: Vec<f32> = y.sum_all()?.backward()?.get(&x).expect("x has a gradient").flatten_all()?.to_vec1()?;
    println!("values {values:?}, gradient {gradient:?}");
    let as_seen = values == [2.0, 6.0] && gradient == [0.5; 5];
    println!("{}", if as_seen { "as seen before" } else { "CHANGED" });
    std::process::exit(i32::from(!as_seen))
}
RUST
cargo run --quiet --manifest-path probe/Cargo.toml
