//! Labels made of other columns, and which labels a table can give.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A label made of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// The label's name.
    pub label: String,
    /// The column it is made of; where that is empty or missing, the label is unknown.
    pub column: String,
    /// Yes where the column is one of these texts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub any_of: Vec<String>,
    /// Yes where the column is a number not below this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
}

/// The labels that columns of labels give, and the derived ones whose column is among the further ones. A derived label hides the column
/// of its name.
pub(crate) fn known_labels(label_names: &[String], extra_names: &[String], derived: &[Derived]) -> BTreeSet<String> {
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
        let found = known_labels(
            &strings(&["a", "b"]),
            &strings(&["age"]),
            &[rule("old", "age"), rule("tall", "height"), rule("b", "weight")],
        );
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "old"]);
    }
}
