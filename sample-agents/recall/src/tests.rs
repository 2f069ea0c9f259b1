//! The memory as a whole, on storage in memory, against a model that keeps nothing but the notes.

use std::collections::{BTreeMap, BTreeSet};

use insula_sdk::storage::{self, Selection};
use insula_sdk::testing;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::ask::{Note, Query};
use crate::bm25::{Corpus, rounded};
use crate::layout::{self, INDEX, NOTES};
use crate::memory::{corpus, forget, remember, sweep};
use crate::search::{Found, Wanted, search};
use crate::words::{composed, counted, tag};

/// When the tests begin, in milliseconds since 1970.
const START: u64 = 1_795_000_000_000;

fn note(id: &str, text: &str, tags: &[&str]) -> Note {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    Note { id: Some(id.to_owned()), text: text.to_owned(), tags, ttl_ms: None }
}

fn look(query: &str, tags: &[&str]) -> Found {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    search(&Wanted::of(&Query { query: query.to_owned(), limit: 50, tags }, "").unwrap()).unwrap()
}

fn ids(query: &str, tags: &[&str]) -> Vec<String> {
    look(query, tags).results.into_iter().map(|hit| hit.id).collect()
}

#[test]
fn the_note_that_answers_best_comes_first() {
    for (id, text) in [
        ("tea", "Marta drinks green tea, and only tea, at breakfast."),
        (
            "coffee",
            "Jonas drinks coffee at breakfast, at lunch, and again later on; now and then he has a tea with it.",
        ),
        ("bread", "The bakery has no bread on Mondays."),
    ] {
        assert!(!remember(&note(id, text, &[]), START).unwrap().replaced);
    }
    assert_eq!(ids("tea", &[]), ["tea", "coffee"]);
    assert_eq!(ids("TÉA breakfast", &[]), ["tea", "coffee"]);
    assert_eq!(ids("bread coffee", &[]), ["bread", "coffee"], "as rare, in a shorter note");
    assert_eq!(ids("cocoa", &[]), Vec::<String>::new());
    let found = look("coffee", &[]);
    assert!(found.results[0].snippet.contains("coffee") && found.version.is_some(), "{found:?}");
}

#[test]
fn tags_narrow_a_search_and_are_no_words_of_it() {
    remember(&note("a", "lunch with Kim", &["Work", "2026"]), START).unwrap();
    remember(&note("b", "lunch at home", &["home"]), START).unwrap();
    assert_eq!(ids("lunch", &["work"]), ["a"]);
    assert_eq!(ids("lunch", &["WORK", "2026"]), ["a"]);
    assert_eq!(ids("lunch", &["work", "home"]), Vec::<String>::new());
    assert_eq!(ids("work", &[]), Vec::<String>::new());
    assert_eq!(ids("home", &[]), ["b"], "the word, not the tag");
}

#[test]
fn a_note_that_is_replaced_is_found_by_its_new_words_only() {
    remember(&note("a", "the old address is Harbour Lane", &["address"]), START).unwrap();
    let again = remember(&note("a", "the new address is Mill Street", &[]), START).unwrap();
    assert!(again.replaced);
    assert_eq!(ids("harbour", &[]), Vec::<String>::new());
    assert_eq!(ids("mill", &[]), ["a"]);
    assert_eq!(ids("address", &["address"]), Vec::<String>::new());
    assert_eq!(corpus().unwrap().unwrap().0, Corpus { notes: 1, words: 6 });
}

#[test]
fn the_same_text_without_an_id_is_the_same_note() {
    let nameless = Note { id: None, ..note("", "buy oats", &[]) };
    let (first, second) = (remember(&nameless, START).unwrap(), remember(&nameless, START).unwrap());
    assert_eq!((first.id.len(), first.replaced), (32, false));
    assert_eq!((second.id, second.replaced), (first.id, true));
    assert_eq!(corpus().unwrap().unwrap().0.notes, 1);
}

#[test]
fn a_note_whose_life_is_over_is_found_no_more_and_leaves_no_trace() {
    remember(&Note { ttl_ms: Some(1_000), ..note("short", "the code is 4711", &[]) }, START).unwrap();
    remember(&Note { ttl_ms: Some(5_000), ..note("longer", "the code of the door", &[]) }, START).unwrap();
    let found = look("code", &[]);
    assert_eq!((found.results.len(), found.good_for_ms), (2, Some(1_000)), "an answer is good until a note ends");
    testing::advance(1_000);
    assert_eq!(ids("code", &[]), ["longer"], "before it was swept, too");
    sweep(START + 1_001).unwrap();
    assert_eq!(corpus().unwrap().unwrap().0.notes, 1);
    assert!(!forget("short").unwrap());
    // A life can be taken back, and then the note stays.
    remember(&note("longer", "the code of the door", &[]), START + 1_001).unwrap();
    testing::advance(10_000);
    sweep(START + 20_000).unwrap();
    assert_eq!(ids("code", &[]), ["longer"]);
    assert!(forget("longer").unwrap());
    assert_eq!(testing::keys(), []);
}

#[test]
fn a_large_note_is_one_commit_and_so_is_what_replaces_and_forgets_it() {
    let text = |mark: char| (0..1_900).map(|number| format!("{mark}{number} ")).collect::<String>();
    for mark in ['a', 'b'] {
        remember(&note("large", &text(mark), &["x", "y"]), START).unwrap();
        assert_eq!(ids(&format!("{mark}1899"), &[]), ["large"]);
    }
    let groups = storage::scan(INDEX, Selection::prefix("group/")).count();
    assert!(groups <= 128, "{groups}");
    assert_eq!(ids("a7", &[]), Vec::<String>::new());
    assert!(forget("large").unwrap());
    assert_eq!(testing::keys(), []);
}

#[test]
fn what_cannot_be_searched_for_is_not_remembered() {
    let words = |count: u32| (0..count).map(|number| format!("{number} ")).collect::<String>();
    for text in ["… — !".to_owned(), words(2_001)] {
        let refused = remember(&note("a", &text, &[]), START).unwrap_err();
        assert_eq!(refused.code, "unprocessable", "{}", refused.message);
    }
    assert_eq!(testing::keys(), []);
    let query = |text: &str| Query { query: text.to_owned(), limit: 10, tags: Vec::new() };
    assert_eq!(Wanted::of(&query("?!"), "").unwrap_err().code, "unprocessable");
    assert_eq!(Wanted::of(&query("the of"), "THE a of").unwrap_err().code, "unprocessable");
    assert_eq!(Wanted::of(&query(&words(33)), "").unwrap_err().code, "unprocessable");
}

#[test]
fn what_someone_else_wrote_into_the_index_is_an_error_and_not_a_panic() {
    remember(&note("a", "one note", &[]), START).unwrap();
    let at = layout::group(layout::group_of("note"), layout::Number::new(0, 0).block());
    for value in [&b""[..], b"\x01\xff", b"text"] {
        storage::put(&at.bucket, &at.key, value).unwrap();
        let wanted = Wanted::of(&Query { query: "note".to_owned(), limit: 1, tags: Vec::new() }, "").unwrap();
        assert_eq!(search(&wanted).unwrap_err().code, "unreadable-value");
    }
}

#[test]
fn notes_that_are_written_at_the_same_time_are_all_there() {
    let mut others = (0..10).map(|number| format!("other-{number}")).collect::<Vec<_>>().into_iter();
    testing::before_commit(move || {
        for id in others.by_ref().take(2) {
            remember(&note(&id, "also about storms", &[]), START).unwrap();
        }
    });
    for number in 0..5 {
        remember(&note(&format!("mine-{number}"), "about storms", &[]), START).unwrap();
    }
    assert_eq!(ids("storms", &[]).len(), 15);
    assert_eq!(corpus().unwrap().unwrap().0, Corpus { notes: 15, words: 40 });
    // The last two are forgotten at once: one of them clears up.
    let all = ids("storms", &[]);
    for id in &all[2..] {
        assert!(forget(id).unwrap());
    }
    let last = all[1].clone();
    let mut once = Some(());
    testing::before_commit(move || {
        if once.take().is_some() {
            assert!(forget(&last).unwrap());
        }
    });
    assert!(forget(&all[0]).unwrap());
    assert_eq!(testing::keys(), []);
}

/// One act of someone who uses the memory.
#[derive(Debug, Clone)]
enum Act {
    Remember { id: usize, text: Vec<&'static str>, tags: Vec<&'static str>, ttl_ms: Option<u64> },
    Forget { id: usize },
    Wait { ms: u64 },
    Search { words: Vec<&'static str>, tags: Vec<&'static str> },
}

fn act() -> impl Strategy<Value = Act> {
    let word = || select(vec!["tea", "Tée", "oats", "door", "Straße", "strasse", "東京", "42", "…"]);
    let tags = || vec(select(vec!["home", "Work", "x y"]), 0..3);
    prop_oneof![
        4 => (0_usize..80, vec(word(), 1..12), tags(), proptest::option::weighted(0.3, 1_u64..2_000))
            .prop_map(|(id, text, tags, ttl_ms)| Act::Remember { id, text, tags, ttl_ms }),
        2 => (0_usize..80).prop_map(|id| Act::Forget { id }),
        1 => (1_u64..1_500).prop_map(|ms| Act::Wait { ms }),
        2 => (vec(word(), 1..4), tags()).prop_map(|(words, tags)| Act::Search { words, tags }),
    ]
}

/// The notes themselves, and when each ends.
#[derive(Default)]
struct Model(BTreeMap<String, (Note, Option<u64>)>);

impl Model {
    /// What a search must find, by looking at every note.
    fn search(&self, words: &str, tags: &[&str]) -> BTreeMap<String, f64> {
        let counts: Vec<_> = self.0.values().map(|(note, _)| counted(&composed(&note.text))).collect();
        let all =
            Corpus { notes: self.0.len() as u64, words: counts.iter().map(|(_, length)| u64::from(*length)).sum() };
        let tags: BTreeSet<_> = tags.iter().map(|text| tag(text)).collect();
        let mut found = BTreeMap::new();
        for ((note, _), (words_of_note, length)) in self.0.values().zip(&counts) {
            let has: BTreeSet<_> = note.tags.iter().map(|text| tag(text)).collect();
            let mut score = 0.0;
            for (word, asked) in counted(words).0 {
                let in_notes = counts.iter().filter(|(words, _)| words.contains_key(&word)).count();
                if let Some(times) = words_of_note.get(&word) {
                    score += all.score(all.weight(in_notes) * f64::from(asked), *times, *length);
                }
            }
            if score > 0.0 && tags.is_subset(&has) {
                found.insert(note.id.clone().unwrap(), rounded(score));
            }
        }
        found
    }
}

fn check(model: &Model, words: &[&str], tags: &[&str]) {
    let query = Query { query: words.join(" "), limit: 50, tags: tags.iter().map(|tag| (*tag).to_owned()).collect() };
    let Ok(wanted) = Wanted::of(&query, "") else { return };
    let found = search(&wanted).unwrap();
    let expected = model.search(&query.query, tags);
    assert!(found.results.is_sorted_by(|one, next| one.score >= next.score), "{found:?}");
    assert_eq!(found.results.len(), expected.len().min(50));
    for hit in &found.results {
        assert!((expected[&hit.id] - hit.score).abs() < 0.000_2, "{hit:?} should have {}", expected[&hit.id]);
    }
    let (notes, words) = corpus().unwrap().map_or((0, 0), |(corpus, _)| (corpus.notes, corpus.words));
    let kept = model.0.values().map(|(note, _)| u64::from(counted(&composed(&note.text)).1)).sum::<u64>();
    assert_eq!((notes, words), (model.0.len() as u64, kept));
}

fn play(acts: Vec<Act>) {
    testing::reset();
    let (mut model, mut now) = (Model::default(), START);
    for act in acts {
        match act {
            Act::Remember { id, text, tags, ttl_ms } => {
                let new = Note { ttl_ms, ..note(&format!("note/{id}"), &text.join(" "), &tags) };
                let id = new.id.clone().unwrap();
                match remember(&new, now) {
                    Ok(done) => {
                        let before = model.0.insert(id, (new, ttl_ms.map(|ttl_ms| now + ttl_ms)));
                        assert_eq!(done.replaced, before.is_some());
                    }
                    Err(error) => assert!(error.code == "unprocessable" && text.iter().all(|word| *word == "…")),
                }
            }
            Act::Forget { id } => {
                let id = format!("note/{id}");
                assert_eq!(forget(&id).unwrap(), model.0.remove(&id).is_some());
            }
            Act::Wait { ms } => {
                now += ms;
                testing::advance(ms);
                model.0.retain(|_, (_, ends)| ends.is_none_or(|ends| ends > now));
                for _ in 0..20 {
                    sweep(now + 1).unwrap();
                }
            }
            Act::Search { words, tags } => check(&model, &words, &tags),
        }
    }
    assert_eq!(storage::scan(NOTES, Selection::all()).count(), model.0.len());
    for id in model.0.keys() {
        assert!(forget(id).unwrap());
    }
    assert_eq!(testing::keys(), [], "something is left of what was forgotten");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn searches_find_what_is_remembered_and_forgetting_leaves_nothing(acts in vec(act(), 1..120)) {
        play(acts);
    }
}
