//! Markdown in short lines: text is filled, a wide table becomes several.

/// Bytes of a line of text.
pub(super) const WIDTH: usize = 118;
/// Bytes of a line of a table.
pub(super) const TABLE_WIDTH: usize = 120;

/// `text` in lines of at most [`WIDTH`] bytes; the first begins with `first`, the others with `rest`. A word or a code span that is longer
/// has a line of its own. No line after the first begins with what Markdown reads as a list, a heading, a table or a quotation.
pub(super) fn filled(text: &str, first: &str, rest: &str) -> String {
    let mut lines: Vec<Vec<&str>> = vec![Vec::new()];
    let mut length = first.len();
    for word in words(text) {
        let Some(line) = lines.last_mut() else { continue };
        if line.is_empty() || length + 1 + word.len() <= WIDTH {
            length += word.len() + usize::from(!line.is_empty());
            line.push(word);
            continue;
        }
        let mut next = vec![word];
        while next.first().is_some_and(|word| is_markup(word)) && line.len() > 1 {
            let Some(word) = line.pop() else { break };
            next.insert(0, word);
        }
        length = rest.len() + next.iter().map(|word| word.len() + 1).sum::<usize>() - 1;
        lines.push(next);
    }
    let indent = |at: usize| if at == 0 { first } else { rest };
    lines.iter().enumerate().map(|(at, words)| format!("{}{}\n", indent(at), words.join(" "))).collect()
}

/// The words of `text`, a code span with its spaces in one.
fn words(text: &str) -> Vec<&str> {
    let (mut words, mut start, mut in_code) = (Vec::new(), None, false);
    for (at, c) in text.char_indices() {
        in_code ^= c == '`';
        match start {
            None if !c.is_whitespace() => start = Some(at),
            Some(from) if c.is_whitespace() && !in_code => {
                words.extend(text.get(from..at));
                start = None;
            }
            _ => {}
        }
    }
    words.extend(start.and_then(|from| text.get(from..)));
    words
}

/// Whether a line that begins with `word` is read as a list, a heading, a table or a quotation.
fn is_markup(word: &str) -> bool {
    let number = word.trim_end_matches(['.', ')']);
    let is_count = number.len() + 1 == word.len() && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    ["-", "+", "*"].contains(&word) || is_count || word.starts_with(['#', '|', '>'])
}

/// A table whose lines are at most [`TABLE_WIDTH`] bytes; where they are longer, several tables. Each begins with the columns that say what
/// a row is of: the first five of a table with more than ten columns, otherwise the first two. As many of the others follow as fit.
pub(super) fn tables(head: &[String], rows: &[Vec<String>]) -> String {
    let all: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(Vec::as_slice)).map(escaped).collect();
    let fits = |columns: &[usize]| all.iter().all(|cells| line(cells, columns).len() <= TABLE_WIDTH);
    let every: Vec<usize> = (0..head.len()).collect();
    if fits(&every) {
        return table(&all, &every);
    }
    let keys: Vec<usize> = (0..if head.len() > 10 { 5 } else { 2 }).collect();
    let (mut parts, mut columns) = (Vec::new(), keys.clone());
    for column in keys.len()..head.len() {
        let with = [columns.as_slice(), &[column]].concat();
        if columns.len() > keys.len() && !fits(&with) {
            parts.push(table(&all, &columns));
            columns = [keys.as_slice(), &[column]].concat();
        } else {
            columns = with;
        }
    }
    parts.push(table(&all, &columns));
    parts.join("\n")
}

fn escaped(cells: &[String]) -> Vec<String> {
    cells.iter().map(|text| text.replace('|', "\\|")).collect()
}

fn line(cells: &[String], columns: &[usize]) -> String {
    let cells: Vec<&str> = columns.iter().filter_map(|column| cells.get(*column)).map(String::as_str).collect();
    format!("| {} |", cells.join(" | "))
}

/// The columns of `all`, whose first row holds the names.
fn table(all: &[Vec<String>], columns: &[usize]) -> String {
    let mut lines: Vec<String> = all.iter().map(|cells| line(cells, columns)).collect();
    lines.insert(1.min(lines.len()), format!("|{}", "---|".repeat(columns.len())));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_filled_and_code_spans_stay_whole() {
        let text = format!("{} end", ["word"; 50].join(" "));
        let lines = filled(&text, "- ", "  ");
        assert!(lines.lines().all(|line| line.len() <= WIDTH) && lines.lines().count() == 3, "{lines}");
        assert!(lines.starts_with("- word") && lines.lines().skip(1).all(|line| line.starts_with("  word")));
        assert_eq!(lines.split_whitespace().skip(1).collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        let code = format!("`{}`", ["word"; 30].join(" "));
        assert_eq!(filled(&format!("a {code}, b"), "", ""), format!("a\n{code},\nb\n"));
        assert_eq!(filled("", "", ""), "\n");
    }

    #[test]
    fn no_line_begins_with_markup() {
        for sign in ["-", "+", "*", "12.", "3)", "#", ">", "|x"] {
            let text = format!("{} x {sign} 4", "w".repeat(WIDTH - 2));
            assert_eq!(filled(&text, "", ""), format!("{}\nx {sign} 4\n", "w".repeat(WIDTH - 2)), "{sign}");
        }
        for word in ["-0.5", "+0.1", "1.5", "12", "a#", ".", ")"] {
            assert!(!is_markup(word), "{word}");
        }
    }

    #[test]
    fn a_wide_table_becomes_several_with_the_same_first_columns() {
        let row = |text: &str, count: usize| (0..count).map(|i| format!("{text}{i}")).collect::<Vec<_>>();
        let narrow = tables(&row("h", 3), &[vec!["a|b".into(), "c".into(), "d".into()]]);
        assert_eq!(narrow, "| h0 | h1 | h2 |\n|---|---|---|\n| a\\|b | c | d |\n");
        let (head, long) = (row("h", 5), row(&"x".repeat(30), 5));
        let wide = tables(&head, &[long]);
        let parts: Vec<&str> = wide.split("\n\n").collect();
        let heads: Vec<&str> = parts.iter().filter_map(|part| part.lines().next()).collect();
        assert_eq!(heads, ["| h0 | h1 | h2 |", "| h0 | h1 | h3 |", "| h0 | h1 | h4 |"]);
        let many = tables(&row("h", 11), &[row("y23456789", 11)]);
        assert_eq!(many.lines().next(), Some("| h0 | h1 | h2 | h3 | h4 | h5 | h6 | h7 | h8 |"));
        assert!(many.contains("\n\n| h0 | h1 | h2 | h3 | h4 | h9 | h10 |\n|---|---|---|---|---|---|---|\n"), "{many}");
        assert!(many.lines().all(|line| line.len() <= TABLE_WIDTH));
    }
}
