//! Every reader of bytes from outside.

mod files;
mod images;
mod messages;
mod release;
mod texts;
mod wire;

use crate::target::Target;

/// All of them, by subject.
pub fn all() -> Vec<Target> {
    [wire::TARGETS, images::TARGETS, files::TARGETS, messages::TARGETS, release::TARGETS, texts::TARGETS].concat()
}

/// The one of that name.
pub fn named(name: &str) -> Option<Target> {
    all().into_iter().find(|target| target.name == name)
}
