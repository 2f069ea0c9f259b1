//! Words of a text, the same for a note and for a query. Pure.
//!
//! A word is a run of letters, digits and the marks on them, in any script, without its case and without the accents of
//! Latin, Greek and Cyrillic: `Ärger`, `ARGER` and `a\u{308}rger` are one word, and so are `Straße` and `STRASSE`. Chinese
//! and Japanese put no spaces between words: there every two neighbouring characters are one. There is no stemming.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The longest word, in bytes: what is longer is cut there, in notes and in queries alike.
const LONGEST: usize = 64;

/// A word, and where it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    /// In bytes of the text as [`composed`] gives it.
    pub start: usize,
    pub end: usize,
}

/// What words are made of: characters without case and accents, and where each stands.
type Folded = (char, usize, usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    /// One that stands for itself, without spaces around words.
    Ideograph,
    Gap,
}

/// A text with each accented letter as one character. Positions of words are in this.
pub fn composed(text: &str) -> String {
    text.nfc().collect()
}

/// The words of a composed text, in order.
pub fn words(composed: &str) -> Vec<Word> {
    let folded = fold(composed);
    let mut words = Vec::new();
    for run in folded.chunk_by(|one, next| kind(one.0) == kind(next.0)) {
        match run.first().map(|first| kind(first.0)) {
            Some(Kind::Letter) => words.push(word(run)),
            Some(Kind::Ideograph) if run.len() == 1 => words.push(word(run)),
            Some(Kind::Ideograph) => words.extend(run.windows(2).map(word)),
            Some(Kind::Gap) | None => {}
        }
    }
    words
}

/// Each word of a text with how often it is there, and how many words there are in all.
pub fn counted(composed: &str) -> (BTreeMap<String, u32>, u32) {
    let (mut counts, mut length) = (BTreeMap::new(), 0_u32);
    for word in words(composed) {
        *counts.entry(word.text).or_insert(0_u32) += 1;
        length = length.saturating_add(1);
    }
    (counts, length)
}

/// A tag without its case and accents, and otherwise as it is.
pub fn tag(text: &str) -> String {
    fold(&composed(text)).into_iter().map(|(character, ..)| character).collect()
}

fn word(run: &[Folded]) -> Word {
    let mut text: String = run.iter().map(|(character, ..)| *character).collect();
    text.truncate(text.floor_char_boundary(LONGEST));
    let start = run.first().map_or(0, |first| first.1);
    let end = run.last().map_or(start, |last| last.2);
    Word { text, start, end }
}

/// A letter and the marks on it are folded together, and all that comes of them stands where they stood.
fn fold(composed: &str) -> Vec<Folded> {
    let mut folded = Vec::with_capacity(composed.len());
    let mut rest = composed.char_indices().peekable();
    while let Some((start, first)) = rest.next() {
        let mut end = start + first.len_utf8();
        while let Some((at, mark)) = rest.next_if(|(_, next)| belongs_to_the_one_before(*next)) {
            end = at + mark.len_utf8();
        }
        let letters = composed.get(start..end).unwrap_or_default();
        let plain: String = letters.nfkd().filter(|character| !is_accent(*character)).collect();
        // Through upper case, which knows that one letter may be two: ß and SS, ς and Σ.
        let lower = plain.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
        let lower: String = lower.filter(|character| !is_accent(*character)).collect();
        folded.extend(lower.nfc().map(|character| (character, start, end)));
    }
    folded
}

fn belongs_to_the_one_before(character: char) -> bool {
    // The last two are the sound marks of half-width Japanese.
    is_combining_mark(character) || matches!(character, '\u{ff9e}' | '\u{ff9f}')
}

/// The marks that are left out. Those of other scripts are vowels, and stay; so does the Greek iota below a vowel, which
/// upper case makes a letter of.
fn is_accent(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{344}' | '\u{346}'..='\u{36f}')
}

fn kind(character: char) -> Kind {
    match character {
        // Kana, and Chinese characters with their extensions.
        '\u{3041}'..='\u{3096}'
        | '\u{30a1}'..='\u{30fe}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{323af}' => Kind::Ideograph,
        _ if character.is_alphanumeric() || is_combining_mark(character) => Kind::Letter,
        _ => Kind::Gap,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<String> {
        words(&composed(text)).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_have_neither_case_nor_accents() {
        assert_eq!(texts("Ärger, ARGER!  a\u{308}rger"), ["arger", "arger", "arger"]);
        assert_eq!(texts("Straße STRASSE"), ["strasse", "strasse"]);
        assert_eq!(texts("ΟΔΥΣΣΕΥΣ Ὀδυσσεύς"), ["οδυσσευσ", "οδυσσευσ"]);
        assert_eq!(texts("ᾳ ΑΙ"), ["αι", "αι"]);
        assert_eq!(texts("Ёлка İstanbul ﬁne Ｆｕｌｌ"), ["елка", "istanbul", "fine", "full"]);
    }

    #[test]
    fn words_end_where_letters_and_digits_do() {
        assert_eq!(
            texts("don't re-open ticket#42 (v2.1_beta)"),
            ["don", "t", "re", "open", "ticket", "42", "v2", "1", "beta"]
        );
        assert_eq!(texts("  …—\u{0}\n"), Vec::<String>::new());
        assert_eq!(texts("½"), ["1", "2"]);
    }

    #[test]
    fn scripts_without_spaces_are_read_by_pairs() {
        assert_eq!(texts("東京都"), ["東京", "京都"]);
        assert_eq!(texts("Tokyo東京2020"), ["tokyo", "東京", "2020"]);
        assert_eq!(texts("京"), ["京"]);
        assert_eq!(texts("ガス"), texts("ｶﾞｽ"));
        assert_eq!(texts("カ\u{3099}ス"), texts("ガス"));
    }

    #[test]
    fn vowel_signs_are_part_of_a_word() {
        assert_eq!(texts("हिन्दी में"), ["हिन्दी", "में"]);
        assert_eq!(texts("한국어"), texts("\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}\u{110b}\u{1165}"));
    }

    #[test]
    fn a_long_word_is_cut_and_still_found() {
        let long = "é".repeat(1_000);
        assert_eq!(texts(&long), ["e".repeat(64)]);
        assert_eq!(texts(&format!("{long}x")), texts(&long));
        assert_eq!(texts(&"ж".repeat(100))[0].len(), 64);
    }

    #[test]
    fn a_word_knows_where_it_stands() {
        let text = composed("Ein Ärgernis: Straße");
        let found: Vec<_> = words(&text).into_iter().map(|word| text[word.start..word.end].to_owned()).collect();
        assert_eq!(found, ["Ein", "Ärgernis", "Straße"]);
    }

    #[test]
    fn counts_add_up_to_the_length() {
        let (counts, length) = counted("to be or not to be");
        assert_eq!((counts.len(), length, counts["to"]), (4, 6, 2));
    }

    #[test]
    fn a_tag_keeps_its_punctuation() {
        assert_eq!((tag("Team/Größe").as_str(), tag("a b")), ("team/grosse", "a b".to_owned()));
    }

    proptest! {
        #[test]
        fn any_text_has_words_that_are_where_they_say(text in ".{0,200}") {
            let text = composed(&text);
            let mut before = 0;
            for word in words(&text) {
                prop_assert!(text.get(word.start..word.end).is_some_and(|found| !found.is_empty()));
                prop_assert!(word.start >= before && !word.text.is_empty() && word.text.len() <= LONGEST);
                before = word.start;
            }
        }

        #[test]
        fn no_normal_form_makes_a_difference(text in ".{0,100}") {
            prop_assert_eq!(texts(&text), texts(&text.nfd().collect::<String>()));
            prop_assert_eq!(texts(&text), texts(&text.nfc().collect::<String>()));
        }

        #[test]
        fn upper_case_makes_no_difference(text in "[ a-zà-ÿα-ωа-я0-9ßſŉǆ一-丂ぁ-ん]{0,60}") {
            prop_assert_eq!(texts(&text), texts(&text.to_uppercase()));
        }

        #[test]
        fn the_words_of_words_are_themselves(text in ".{0,100}") {
            for word in texts(&text) {
                let again = texts(&word);
                prop_assert!(again == [word.clone()] || word.len() >= LONGEST - 3, "{:?} of {:?}", again, word);
            }
        }
    }
}
