//! Text that others chose, made harmless for a terminal: names of files, and what a server says.

/// Longest text of a server that is shown, characters.
const MAX_TEXT: usize = 500;

/// Whether a character would steer a terminal or change how the text around it is read: control characters, line and paragraph
/// separators, marks that turn the direction of writing, characters without a width, and blanks
/// that are no spaces (Unicode's category Cf and its code points that may be ignored by default).
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}'
        )
        || matches!(c, '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}')
        || matches!(c, '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}')
        || matches!(c, '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text with a replacement character for each that is hidden.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// A path in the form that messages show: nothing in it steers a terminal.
pub(crate) fn path(path: &std::path::Path) -> String {
    harmless(&path.to_string_lossy())
}

/// The same of at most 500 characters.
pub(crate) fn shown(text: &str) -> String {
    let mut characters = text.chars();
    let mut out: String = characters.by_ref().take(MAX_TEXT).map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect();
    if characters.next().is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_or_turns_the_text_around_is_replaced() {
        for bad in [
            "\u{1b}[2J",
            "a\nb",
            "\u{202e}evil",
            "\u{2066}x\u{2069}",
            "\u{200b}",
            "\u{feff}",
            "\u{2028}",
            "\u{9b}31m",
            "\u{e0041}",
            "\u{1d173}",
            "\u{3164}",
            "\u{fe0f}",
        ] {
            let shown = harmless(bad);
            assert!(shown.contains('\u{fffd}') && !shown.chars().any(is_hidden), "{bad:?}");
        }
        for good in ["Müller, Jörg", "胸部.png", "a b-c_d.dcm", "مريض", "ζ ≥ 1"] {
            assert_eq!(harmless(good), good);
        }
        assert_eq!(shown(&"x".repeat(600)).chars().count(), 501);
    }
}
