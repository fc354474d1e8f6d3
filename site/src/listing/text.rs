//! Names that may do harm, made harmless: shown as text of a page, as a link, as a JSON string.

use std::fmt::Write as _;

use proto_http::path;

/// A name as people see it. What would act on the page instead of being seen is named by its number.
pub(super) fn shown(out: &mut String, name: &[u8]) {
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                _ if is_unseen(character) => {
                    let _ = write!(out, "<i>U+{:04X}</i>", character as u32);
                }
                _ => out.push(character),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "<i>{byte:02X}</i>");
        }
    }
}

/// Controls, and what turns, joins or hides the characters around it.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A link to a name in the same folder. The dot keeps a colon from being read as the end of a scheme, and a slash at the
/// beginning from being read as a host. None where no path can have the name (see `proto_http::path`).
pub(super) fn link(name: &[u8], is_folder: bool) -> Option<String> {
    if name.iter().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let mut bytes = b"./".to_vec();
    path::encode(name, &mut bytes);
    if is_folder {
        bytes.push(b'/');
    }
    Some(String::from_utf8(bytes).expect("what is encoded is ASCII"))
}

/// What is left of a link to be escaped in an attribute: `&` and `'` may stand in paths.
pub(super) fn attribute(out: &mut String, link: &str) {
    for character in link.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
}
