//! `veilray`: the client.
#![forbid(unsafe_code)]

fn main() {}
