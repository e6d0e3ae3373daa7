//! What a reader under test is.

/// Whether an input was taken, or the words in which it was refused. Either is well.
pub type Outcome = Result<(), String>;

/// Good inputs, to be bent.
pub type Seeds = Result<Vec<Vec<u8>>, SeedError>;

/// Why seeds could not be made.
pub type SeedError = Box<dyn std::error::Error + Send + Sync>;

/// A reader of bytes from outside.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name on the command line and in reports.
    pub name: &'static str,
    /// Reads the bytes and uses what it read. It never panics.
    pub run: fn(&[u8]) -> Outcome,
    /// Good inputs. All of them are taken.
    pub seeds: fn() -> Seeds,
    /// Makes sums and lengths agree again after bytes were changed, so that a reader gets past them.
    pub mend: fn(&mut [u8]),
    /// How inputs are bent.
    pub kind: Kind,
    /// Its part of a run's inputs, beside the other targets' parts.
    pub share: u32,
}

/// What inputs consist of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Numbers and lengths at their places; most that is read first stands in the first bytes.
    Binary,
    /// Words and numbers, as in TOML, JSON and CSV.
    Text,
}

impl Target {
    /// A target of binary files of which nothing is mended.
    pub(crate) const fn binary(name: &'static str, run: fn(&[u8]) -> Outcome, seeds: fn() -> Seeds, share: u32) -> Self {
        Self { name, run, seeds, mend: nothing, kind: Kind::Binary, share }
    }

    /// A target of texts.
    pub(crate) const fn text(name: &'static str, run: fn(&[u8]) -> Outcome, seeds: fn() -> Seeds, share: u32) -> Self {
        Self { name, run, seeds, mend: nothing, kind: Kind::Text, share }
    }

    /// The same, with sums mended by `mend`.
    pub(crate) const fn mended(mut self, mend: fn(&mut [u8])) -> Self {
        self.mend = mend;
        self
    }
}

fn nothing(_: &mut [u8]) {}

/// An error in words.
pub(crate) fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}
