pub(crate) fn step() {}
pub(crate) fn is_scheduled() -> bool {
    false
}
