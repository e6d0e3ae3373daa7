//! `veilray-sweep`: the researcher's experiments.
#![forbid(unsafe_code)]

fn main() {}
