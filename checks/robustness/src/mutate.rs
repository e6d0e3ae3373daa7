//! How inputs are bent: bits, lengths and numbers on their edges, pieces doubled, lost, or taken from another seed.

use crate::target::{Kind, Target};
use veilray_base::Rng;

/// Where most of what is read first stands, bytes.
const HEAD: usize = 1500;
/// The longest input that is made, bytes.
const LONGEST: usize = 1 << 20;

/// Values that stand in the place of numbers of a text.
const WORDS: [&str; 28] = [
    "0",
    "1",
    "-1",
    "2",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "0.5",
    "-0.0",
    "1e308",
    "1e-308",
    "1e400",
    "nan",
    "inf",
    "null",
    "true",
    "\"\"",
    "[]",
];

/// The input number `index` of a target under `seed`: always the same bytes for the same seeds.
pub fn input(target: &Target, seeds: &[Vec<u8>], seed: u64, index: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)), target.name);
    let Some(from) = seeds.get(rng.below(seeds.len())) else { return Vec::new() };
    let mut bytes = from.clone();
    // Some inputs are bent lightly and some beyond recognition.
    let most = one_in(&mut rng, 8, 24, 4);
    for _ in 0..=rng.below(most) {
        if target.kind == Kind::Text && rng.below(4) > 0 {
            text(&mut rng, &mut bytes, seeds);
        } else {
            binary(&mut rng, &mut bytes, seeds);
        }
        bytes.truncate(LONGEST);
    }
    // Sums that do not fit are tried too.
    if rng.below(10) > 0 {
        (target.mend)(&mut bytes);
    }
    bytes
}

/// `rare` once in `times`, else `common`.
fn one_in(rng: &mut Rng, times: usize, rare: usize, common: usize) -> usize {
    if rng.below(times) == 0 { rare } else { common }
}

/// A number on an edge.
fn number(rng: &mut Rng) -> u64 {
    let near = (1u64 << rng.below(64)).wrapping_add(rng.below(5) as u64).wrapping_sub(2);
    match rng.below(6) {
        0 => rng.below(9) as u64,
        1 => u64::MAX >> rng.below(64),
        2 => f64::to_bits((rng.uniform() - 0.5) * 2f64.powi(rng.below(140) as i32 - 70)),
        3 => (rng.below(1 << 32) as u64) << 32 | rng.below(1 << 32) as u64,
        _ => near,
    }
}

/// Overwrites what is at `at`, as far as the bytes go.
fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes.iter_mut().skip(at).zip(new).for_each(|(to, from)| *to = *from);
}

/// A piece of at most `most` bytes from `at`.
fn piece(bytes: &[u8], at: usize, most: usize) -> Vec<u8> {
    bytes.iter().skip(at).take(most).copied().collect()
}

fn binary(rng: &mut Rng, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let zone = if rng.below(4) > 0 { bytes.len().min(HEAD) } else { bytes.len() };
    let at = rng.below(zone);
    match rng.below(11) {
        0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << rng.below(8)),
        1 => put(bytes, at, &[rng.below(256) as u8]),
        2 => bytes.truncate(rng.below(bytes.len() + 1)),
        3 | 4 => {
            let (width, value) = (1 << rng.below(4), number(rng));
            let big = value.checked_shl(64 - 8 * width as u32).unwrap_or(value).to_be_bytes();
            let little = value.to_le_bytes();
            let order = if rng.below(2) == 0 { little } else { big };
            put(bytes, at, order.get(..width).unwrap_or(&little));
        }
        5 => drop(bytes.drain(at..(at + 1 + rng.below(64)).min(bytes.len()))),
        6 => {
            let new: Vec<u8> = (0..=rng.below(64)).map(|_| rng.below(256) as u8).collect();
            drop(bytes.splice(at..at, new));
        }
        7 => {
            let again = piece(bytes, at, 1 + rng.below(256)).repeat(1 + rng.below(20));
            drop(bytes.splice(at..at, again));
        }
        8 => {
            let Some(other) = seeds.get(rng.below(seeds.len())) else { return };
            let new = piece(other, rng.below(other.len()), 1 + rng.below(512));
            drop(bytes.splice(at..at, new));
        }
        9 => put(bytes, at, &vec![if rng.below(2) == 0 { 0xff } else { 0 }; 1 + rng.below(32)]),
        _ => {
            let (to, moved) = (rng.below(bytes.len()), piece(bytes, at, 1 + rng.below(64)));
            put(bytes, to, &moved);
        }
    }
}

/// The run of bytes around `at` of which all are `inside`.
fn run(bytes: &[u8], at: usize, inside: impl Fn(u8) -> bool) -> std::ops::Range<usize> {
    let (before, behind) = bytes.split_at(at.min(bytes.len()));
    let left = before.iter().rev().take_while(|byte| inside(**byte)).count();
    let right = behind.iter().take_while(|byte| inside(**byte)).count();
    before.len() - left..before.len() + right
}

fn text(rng: &mut Rng, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = rng.below(bytes.len());
    let numeric = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let item = |byte: u8| !b",\n{}[]".contains(&byte);
    // The next number, so that most tries change one.
    let digit = bytes.iter().skip(at).position(u8::is_ascii_digit).map_or(at, |more| at + more);
    match rng.below(9) {
        0..3 => {
            let new = match rng.below(3) {
                0 => number(rng).to_string(),
                1 => f64::from_bits(number(rng)).to_string(),
                _ => WORDS.get(rng.below(WORDS.len())).copied().unwrap_or("0").to_owned(),
            };
            drop(bytes.splice(run(bytes, digit, numeric), new.into_bytes()));
        }
        3 => {
            let new = WORDS.get(rng.below(WORDS.len())).copied().unwrap_or("0").bytes();
            drop(bytes.splice(run(bytes, at, word), new));
        }
        4 => drop(bytes.drain(run(bytes, at, item))),
        5 => {
            let around = run(bytes, at, item);
            let mut again = bytes.get(around.clone()).unwrap_or(&[]).to_vec();
            again.push(if rng.below(2) == 0 { b',' } else { b'\n' });
            let most = one_in(rng, 10, 1000, 3);
            let again = again.repeat(1 + rng.below(most));
            drop(bytes.splice(around.start..around.start, again));
        }
        6 => {
            let line = run(bytes, at, |byte| byte != b'\n');
            drop(bytes.drain(line));
        }
        7 => {
            let letter = *b"c9[{\"\xff".get(rng.below(6)).unwrap_or(&b'c');
            let most = one_in(rng, 4, 5000, 40);
            let many = vec![letter; 1 + rng.below(most)];
            drop(bytes.splice(at..at, many));
        }
        _ => {
            let Some(other) = seeds.get(rng.below(seeds.len())) else { return };
            let line = run(other, rng.below(other.len()), |byte| byte != b'\n');
            let new = other.get(line).unwrap_or(&[]).to_vec();
            drop(bytes.splice(at..at, new));
        }
    }
}
