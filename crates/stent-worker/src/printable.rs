//! What others wrote, in a line of a log.

use std::fmt::{self, Display, Write};

/// Shows a text of a body or a store with what could end a line, steer a terminal or turn its order round written as escapes, so that whoever
/// decides on the text can forge neither a line of the log nor what a reader sees of it.
pub(crate) struct Printable<T>(pub(crate) T);

impl<T: Display> Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'f, 'b>(&'f mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(steers) {
            match part.char_indices().next_back() {
                Some((at, last)) if steers(last) => {
                    self.0.write_str(&part[..at])?;
                    write!(self.0, "{}", last.escape_default())?;
                }
                _ => self.0.write_str(part)?,
            }
        }
        Ok(())
    }
}

/// Control characters, the separators of lines and paragraphs, and what changes the direction of writing (Unicode's `Bidi_Control`).
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::Printable;

    #[test]
    fn what_steers_a_terminal_is_shown_and_the_rest_is_left() {
        let shown = |text: &str| Printable(text).to_string();
        for plain in ["", "no such order", "\"ü\" 漢字 🦀 \\n"] {
            assert_eq!(shown(plain), plain);
        }
        assert_eq!(shown("a\nERROR b"), "a\\nERROR b");
        assert_eq!(shown("\u{1b}[2J\r\0\u{9b}"), "\\u{1b}[2J\\r\\u{0}\\u{9b}");
        assert_eq!(shown("\u{202e}x\u{2028}"), "\\u{202e}x\\u{2028}");
    }
}
