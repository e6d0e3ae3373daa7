//! Which labels a table can give.

use super::Derived;
use std::collections::BTreeSet;

/// The labels that columns of labels give, and the derived ones whose column is among the further ones. A derived label hides the column
/// of its name.
pub fn known(label_names: &[String], extra_names: &[String], derived: &[Derived]) -> BTreeSet<String> {
    let rules = derived.iter().filter(|rule| extra_names.contains(&rule.column)).map(|rule| rule.label.clone());
    let hidden = |name: &&String| derived.iter().any(|rule| rule.label == **name);
    rules.chain(label_names.iter().filter(|name| !hidden(name)).cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_column_or_a_rule_on_a_further_column() {
        let strings = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let rule = |label: &str, column: &str| Derived {
            label: label.into(),
            column: column.into(),
            any_of: vec![],
            at_least: Some(1.0),
        };
        let found =
            known(&strings(&["a", "b"]), &strings(&["age"]), &[rule("old", "age"), rule("tall", "height"), rule("b", "weight")]);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "old"]);
    }
}
