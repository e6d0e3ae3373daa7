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

/// Gives bytes to the target of that name, for libFuzzer: the process ends where it panics, not where it catches a panic of a library.
pub fn fuzz(name: &str, bytes: &[u8]) {
    static ONCE: std::sync::Once = std::sync::Once::new();
    // Instead of the hook of libFuzzer, which ends the process at once.
    ONCE.call_once(|| std::panic::set_hook(Box::new(|info| eprintln!("{info}"))));
    if let Some(target) = named(name) {
        let _ = (target.run)(bytes);
    }
}

/// The one of that name.
pub fn named(name: &str) -> Option<Target> {
    all().into_iter().find(|target| target.name == name)
}
