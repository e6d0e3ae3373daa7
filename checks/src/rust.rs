//! As much of Rust's syntax as finding imports takes: code without comments and literals, cut into tokens.

/// A token with its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// An identifier, `::`, or one character of punctuation. Literals are left out.
    pub text: &'a str,
    /// From 1.
    pub line: usize,
}

/// The tokens of `source`, without comments and literals.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { source, at: 0, line: 1 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next() {
        tokens.push(token);
    }
    tokens
}

struct Lexer<'a> {
    source: &'a str,
    /// Byte that is read next.
    at: usize,
    line: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or("")
    }

    /// Moves over `bytes` bytes, counting lines.
    fn skip(&mut self, bytes: usize) {
        self.line += self.rest().get(..bytes).unwrap_or("").matches('\n').count();
        self.at += bytes;
    }

    /// Moves behind the next `end`, or to the end of the source.
    fn skip_behind(&mut self, end: &str) {
        let bytes = self.rest().find(end).map_or(self.rest().len(), |at| at + end.len());
        self.skip(bytes);
    }

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let rest = self.rest();
            let first = rest.chars().next()?;
            let (line, second) = (self.line, rest.chars().nth(1));
            if rest.starts_with("//") {
                self.skip_behind("\n");
            } else if rest.starts_with("/*") {
                self.skip_block_comment();
            } else if let Some(hashes) = raw_string(rest) {
                let open = rest.find('"').map_or(0, |at| at + 1);
                self.skip(open);
                self.skip_behind(&format!("\"{}", "#".repeat(hashes)));
            } else if first == '"' || (first == 'b' && second == Some('"')) || (first == 'c' && second == Some('"')) {
                self.skip(rest.find('"').map_or(0, |at| at + 1));
                self.skip_quoted('"');
            } else if first == '\'' && is_char(rest) {
                self.skip(1);
                self.skip_quoted('\'');
            } else if first.is_alphabetic() || first == '_' {
                let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                self.skip(length);
                return Some(Token { text: rest.get(..length)?, line });
            } else if first.is_ascii_digit() {
                self.skip(rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()));
            } else if rest.starts_with("::") {
                self.skip(2);
                return Some(Token { text: "::", line });
            } else {
                self.skip(first.len_utf8());
                if !first.is_whitespace() {
                    return Some(Token { text: rest.get(..first.len_utf8())?, line });
                }
            }
        }
    }

    /// Block comments nest.
    fn skip_block_comment(&mut self) {
        let mut depth = 0;
        while !self.rest().is_empty() {
            if self.rest().starts_with("/*") {
                depth += 1;
                self.skip(2);
            } else if self.rest().starts_with("*/") {
                depth -= 1;
                self.skip(2);
                if depth == 0 {
                    return;
                }
            } else {
                self.skip(self.rest().chars().next().map_or(1, char::len_utf8));
            }
        }
    }

    /// Moves behind the closing `quote` of a literal whose opening one is read.
    fn skip_quoted(&mut self, quote: char) {
        while let Some(c) = self.rest().chars().next() {
            self.skip(c.len_utf8());
            if c == '\\' {
                self.skip(self.rest().chars().next().map_or(0, char::len_utf8));
            } else if c == quote {
                return;
            }
        }
    }
}

/// The number of `#` where `rest` begins with a raw string.
fn raw_string(rest: &str) -> Option<usize> {
    let behind = rest.strip_prefix("br").or_else(|| rest.strip_prefix("cr")).or_else(|| rest.strip_prefix('r'))?;
    let hashes = behind.len() - behind.trim_start_matches('#').len();
    behind.get(hashes..)?.starts_with('"').then_some(hashes)
}

/// Whether the `'` that `rest` begins with opens a character, not a lifetime.
fn is_char(rest: &str) -> bool {
    let mut behind = rest.chars().skip(1);
    match (behind.next(), behind.next()) {
        (Some('\\'), _) => true,
        (Some(_), Some(end)) => end == '\'',
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::tokens;

    fn texts(source: &str) -> Vec<&str> {
        tokens(source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_literals_are_left_out() {
        let source = "// use a;\n/* use /* b */ c; */ use d::e; let s = \"use f;\"; r#\"use \"g\";\"# 'h' '\\'' b\"i\" 0x1f_u8";
        assert_eq!(texts(source), ["use", "d", "::", "e", ";", "let", "s", "=", ";"]);
    }

    #[test]
    fn lifetimes_are_no_characters() {
        assert_eq!(texts("fn f<'a>(x: &'a str) {}").join(" "), "fn f < ' a > ( x : & ' a str ) { }");
    }

    #[test]
    fn lines_count_from_one_through_literals() {
        let lines: Vec<usize> = tokens("a\n\"x\ny\"\nb").into_iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 4]);
    }
}
