//! The part of a note that shows why it was found. Pure.

use std::collections::BTreeSet;

use crate::words::{composed, words};

/// How long a snippet is, in bytes of the note.
const LENGTH: usize = 160;

/// How much comes before the first word that was asked for, in bytes.
const BEFORE: usize = 40;

/// The stretch of a note with the most of these words; `None` where it has none of them.
pub fn of<'a>(text: &str, wanted: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted: BTreeSet<&str> = wanted.into_iter().collect();
    let text = composed(text);
    let words = words(&text);
    let found: Vec<_> = words.iter().filter(|word| wanted.contains(word.text.as_str())).collect();
    let mut best: Option<(usize, usize)> = None;
    for (index, first) in found.iter().enumerate() {
        let reach = first.start + LENGTH - BEFORE;
        let within = found.iter().skip(index).take_while(|word| word.end <= reach || word.start == first.start);
        let distinct = within.map(|word| word.text.as_str()).collect::<BTreeSet<_>>().len();
        if best.is_none_or(|(most, _)| distinct > most) {
            best = Some((distinct, first.start));
        }
        if distinct == wanted.len() {
            break;
        }
    }
    best.map(|(_, start)| cut(&text, start))
}

/// The beginning of a note.
pub fn beginning(text: &str) -> String {
    cut(text, 0)
}

/// A stretch around a place, at whole characters, with marks where something was left out.
fn cut(text: &str, place: usize) -> String {
    let start = match text.floor_char_boundary(place.saturating_sub(BEFORE)) {
        // Where the whole beginning fits, it starts there.
        start if start <= BEFORE => 0,
        // Else behind the next space, so that it does not start within a word.
        start => text.get(start..place).and_then(|before| before.find(' ')).map_or(start, |space| start + space + 1),
    };
    let end = text.floor_char_boundary(start + LENGTH);
    let shown = text.get(start..end).unwrap_or_default();
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    let (before, after) = (if start > 0 { "…" } else { "" }, if end < text.len() { "…" } else { "" });
    format!("{before}{shown}{after}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_note_is_shown_whole_on_one_line() {
        assert_eq!(of("Marta likes\n\n tea", ["tea"]).as_deref(), Some("Marta likes tea"));
        assert_eq!(of("Marta likes tea", ["coffee"]), None);
        assert_eq!(of("", ["coffee"]), None);
    }

    #[test]
    fn of_a_long_note_the_stretch_with_the_most_words_is_shown() {
        let filler = "filler ".repeat(60);
        let text = format!("apple {filler} apple and PEAR {filler}");
        let snippet = of(&text, ["apple", "pear"]).unwrap();
        assert!(snippet.contains("apple and PEAR"), "{snippet}");
        assert!(snippet.starts_with("…filler") && snippet.ends_with('…'), "{snippet}");
        assert!(snippet.len() < LENGTH + 10);
    }

    #[test]
    fn characters_stay_whole() {
        let text = "é".repeat(500);
        assert!(beginning(&text).ends_with("é…"));
        let text = format!("{} ключ {}", "ж".repeat(300), "я".repeat(300));
        assert!(of(&text, ["ключ"]).unwrap().contains("ключ"));
    }

    proptest! {
        #[test]
        fn a_snippet_is_there_where_a_word_is_and_is_short(text in "([a-c]{1,3}|é|東|[ \n]){0,200}") {
            let has = words(&composed(&text)).iter().any(|word| word.text == "abc");
            let snippet = of(&text, ["abc"]);
            prop_assert_eq!(snippet.is_some(), has);
            prop_assert!(snippet.is_none_or(|snippet| snippet.len() <= LENGTH + 6));
        }
    }
}
