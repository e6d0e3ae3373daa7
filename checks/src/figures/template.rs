//! Text with figures in braces.

use super::{Error, look};
use serde_json::Value;

/// How a figure is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Nothing behind the path: text as it is, an integer without point, another number with all its digits.
    Plain,
    /// `.K`: K decimals.
    Decimals(usize),
    /// `e`: one decimal and an exponent, `4.3e-4`; zero is `0`.
    Exponent,
    /// `_`: an integer with a space between thousands, `196 608`.
    Thousands,
}

impl Format {
    /// The text behind the colon, if it is one.
    pub fn of(text: &str) -> Option<Self> {
        match text {
            "" => Some(Self::Plain),
            "e" => Some(Self::Exponent),
            "_" => Some(Self::Thousands),
            _ => text.strip_prefix('.')?.parse().ok().map(Self::Decimals),
        }
    }

    /// A figure as text; `None` where the format does not fit it.
    pub fn print(self, value: &Value) -> Option<String> {
        match self {
            Self::Plain => match value {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(whole(value).map_or_else(|| number.to_string(), |whole| whole.to_string())),
                _ => None,
            },
            Self::Decimals(count) => Some(format!("{:.count$}", value.as_f64()?)),
            Self::Exponent => value.as_f64().map(|x| if x == 0.0 { "0".into() } else { format!("{x:.1e}") }),
            Self::Thousands => whole(value).map(thousands),
        }
    }
}

/// The number as an integer, where it is one.
fn whole(value: &Value) -> Option<i64> {
    let exact = |x: f64| (x.fract() == 0.0 && x.abs() < 9e15).then_some(x as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(exact))
}

fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { String::from("-") } else { String::new() };
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `template` with its figures; `Ok(None)` where one is missing, whose path `missing` then holds.
pub(super) fn fill(template: &str, start: &Value, missing: &mut String) -> Result<Option<String>, Error> {
    let (mut text, mut rest) = (String::new(), template);
    while let Some((before, behind)) = rest.split_once('{') {
        let Some((inside, after)) = behind.split_once('}') else { break };
        let (path, format) = inside.split_once(':').unwrap_or((inside, ""));
        let Some(value) = look(start, path) else {
            path.clone_into(missing);
            return Ok(None);
        };
        let printed = Format::of(format).and_then(|format| format.print(value));
        text.push_str(before);
        text.push_str(&printed.ok_or_else(|| Error::Unprintable { format: format.into(), value: value.clone() })?);
        rest = after;
    }
    text.push_str(rest);
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::{Format, fill};
    use serde_json::{Value, json};

    fn filled(template: &str, start: &Value) -> Option<String> {
        fill(template, start, &mut String::new()).unwrap()
    }

    #[test]
    fn each_format_prints_as_documented() {
        let start = json!({"auc": {"value": 0.70849}, "error": 0.00043, "zero": 0.0, "pixels": 196_608, "small": 999, "name": "n14", "ms": 238.0});
        assert_eq!(filled("{auc.value:.3} and {auc.value}", &start).unwrap(), "0.708 and 0.70849");
        assert_eq!(filled("{error:e}, {zero:e}", &start).unwrap(), "4.3e-4, 0");
        assert_eq!(filled("{pixels:_} {small:_} {pixels}", &start).unwrap(), "196 608 999 196608");
        assert_eq!(filled("`{name}` {ms}", &start).unwrap(), "`n14` 238");
    }

    #[test]
    fn a_missing_figure_is_named() {
        let mut missing = String::new();
        assert_eq!(fill("{a.b}", &json!({"a": {"b": null}}), &mut missing).unwrap(), None);
        assert_eq!(missing, "a.b");
    }

    #[test]
    fn text_has_no_decimals() {
        let refused = fill("{a:.2}", &json!({"a": "x"}), &mut String::new()).unwrap_err();
        assert_eq!(refused.to_string(), "the format \".2\" does not fit \"x\"; use .K, e or _ for a number, and none for text");
    }

    #[test]
    fn an_unknown_format_is_none() {
        assert_eq!(Format::of("x"), None);
        assert_eq!(Format::of(".2"), Some(Format::Decimals(2)));
    }
}
