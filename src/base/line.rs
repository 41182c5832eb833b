//! Text that comes from peers on its way into files of lines and to terminals (HG1).

/// The text with every character escaped that could end a line or steer a terminal, as `\u` and four hexadecimal digits: as JSON
/// does in strings, so that a JSON text stays the same value.
pub fn one_line(text: &str) -> String {
    escaped(text, |_| false)
}

/// The same, but for the characters that are to be `kept`.
pub fn escaped(text: &str, kept: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if breaks(character) && !kept(character) {
            out.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            out.push(character);
        }
    }
    out
}

/// Whether it ends a line somewhere, steers a terminal, or turns the direction of what follows.
fn breaks(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hg1_a_json_text_is_one_line_and_the_same_value() {
        let value = "a\r\nb\u{1b}[2J\u{2028}\u{2029}\u{85}\u{202e}é";
        let text = serde_json::to_string(value).unwrap();
        let line = one_line(&text);
        assert_eq!(line, "\"a\\r\\nb\\u001b[2J\\u2028\\u2029\\u0085\\u202eé\"");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), value);
        assert_eq!(escaped("\u{1b}[1mx\n", |character| character == '\u{1b}'), "\u{1b}[1mx\\u000a");
    }
}
