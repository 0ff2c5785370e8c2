//! Text with `${{ }}` in it, cut into literal parts and expressions.

use std::ops::Range;

/// A part of a text with templates.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text that stands for itself; `$${{` is already `${{`.
    Literal(String),
    /// What stands between `${{` and `}}`, as a byte range of the text.
    Expression(Range<usize>),
}

/// The opening of a template that has no end, as a byte range.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unclosed(pub Range<usize>);

const OPEN: &str = "${{";

/// Cuts a text. Braces and quotes inside of an expression are respected: `${{ {"a": "}}"} }}` is one expression.
pub(super) fn split(text: &str) -> Result<Vec<Piece>, Unclosed> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(OPEN).map(|offset| at + offset) {
        if text[at..found].ends_with('$') {
            literal.push_str(&text[at..found - 1]);
            literal.push_str(OPEN);
            at = found + OPEN.len();
            continue;
        }
        literal.push_str(&text[at..found]);
        let start = found + OPEN.len();
        let end = start + expression_end(&text[start..]).ok_or(Unclosed(found..start))?;
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Expression(start..end));
        at = end + 2;
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// Where the `}}` begins that ends the expression at the beginning of `text`.
fn expression_end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => {
                chars.next();
            }
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{' | '[' | '(') => depth += 1,
            (None, '}') if depth == 0 && text[at..].starts_with("}}") => return Some(at),
            (None, '}' | ']' | ')') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match split(text) {
            Ok(pieces) => pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Literal(text) => format!("[{text}]"),
                    Piece::Expression(range) => format!("<{}>", &text[range.clone()]),
                })
                .collect(),
            Err(Unclosed(range)) => format!("unclosed {range:?}"),
        }
    }

    #[test]
    fn texts_are_cut_at_templates() {
        for (text, pieces) in [
            ("plain", "[plain]"),
            ("${{ a }}", "< a >"),
            ("x ${{ a }} y${{b}}", "[x ]< a >[ y]<b>"),
            ("$${{ a }}", "[${{ a }}]"),
            ("$x ${X} {{ a }}", "[$x ${X} {{ a }}]"),
            (r#"${{ {"a": {"b": 1}} }}"#, r#"< {"a": {"b": 1}} >"#),
            (r#"${{ "}}" ~ '}}\'}}' }}"#, r#"< "}}" ~ '}}\'}}' >"#),
            ("a ${{ b", "unclosed 2..5"),
            ("", ""),
        ] {
            assert_eq!(shown(text), pieces, "{text}");
        }
    }
}
