//! JSON that keeps the order of its names.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::{Number, Value};
use std::fmt;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Object(Vec<(String, Node)>),
    List(Vec<Node>),
    /// Text, a number, `true`, `false` or `null`.
    Plain(Value),
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        match value {
            Value::Object(fields) => Self::Object(fields.into_iter().map(|(name, value)| (name, value.into())).collect()),
            Value::Array(values) => Self::List(values.into_iter().map(Self::from).collect()),
            plain => Self::Plain(plain),
        }
    }
}

impl Node {
    pub(super) fn at(&self, key: &[&str]) -> Option<&Self> {
        let Some((first, rest)) = key.split_first() else { return Some(self) };
        let Self::Object(fields) = self else { return None };
        fields.iter().find(|(name, _)| name == first)?.1.at(rest)
    }

    pub(super) fn number(&self) -> Option<f64> {
        if let Self::Plain(value) = self { value.as_f64() } else { None }
    }

    pub(super) fn string(&self) -> Option<&str> {
        if let Self::Plain(value) = self { value.as_str() } else { None }
    }

    /// As JSON, shortened where it holds others.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Object(_) => "{…}".into(),
            Self::List(_) => "[…]".into(),
            Self::Plain(value) => value.to_string(),
        }
    }

    /// Puts `value` at `key`; fails with how many names of `key` lead to what is no object.
    pub(super) fn set(&mut self, key: &[&str], value: Value) -> Result<(), usize> {
        let Some((first, rest)) = key.split_first() else {
            *self = value.into();
            return Ok(());
        };
        let Self::Object(fields) = self else { return Err(0) };
        if let Some((_, node)) = fields.iter_mut().find(|(name, _)| name == first) {
            return node.set(rest, value).map_err(|deep| deep + 1);
        }
        let mut node = Self::Object(Vec::new());
        node.set(rest, value)?;
        fields.push(((*first).into(), node));
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &[&str]) {
        let (Some((first, rest)), Self::Object(fields)) = (key.split_first(), self) else { return };
        if rest.is_empty() {
            fields.retain(|(name, _)| name != first);
        } else if let Some((_, node)) = fields.iter_mut().find(|(name, _)| name == first) {
            node.remove(rest);
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(fields) => serializer.collect_map(fields.iter().map(|(name, node)| (name, node))),
            Self::List(nodes) => serializer.collect_seq(nodes),
            Self::Plain(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Nodes)
    }
}

struct Nodes;

impl<'de> Visitor<'de> for Nodes {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Plain(Value::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Plain(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = values.next_element()? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<Node, A::Error> {
        let mut fields: Vec<(String, Node)> = Vec::new();
        while let Some((name, node)) = values.next_entry::<String, Node>()? {
            if fields.iter().any(|(other, _)| *other == name) {
                return Err(A::Error::custom(format_args!("two fields {name:?} in one object")));
            }
            fields.push((name, node));
        }
        Ok(Node::Object(fields))
    }
}
