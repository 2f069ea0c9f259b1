//! Rules: read from text, checked, and compiled to what is quick to match. Touches no host function.
//!
//! A compiled phrase is a needle for a plain search in normalised text, where every word is lower-cased and stands
//! between single spaces: `" charged twice "` for whole words, `" refund"` for `refund*`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ticket::Ticket;

/// How much of a body is read, in bytes: people say early what it is about, and quoted mail is long.
const BODY_READ: usize = 16 << 10;

/// The weight of a rule that states none.
const WEIGHT: u32 = 10;

/// The highest weight of a rule, so that scores cannot overflow.
const WEIGHT_LIMIT: u32 = 10_000;

/// How soon a ticket wants an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    Low,
    Normal,
    High,
    Urgent,
}

impl Priority {
    /// One step up, up to urgent.
    pub fn raised(self) -> Self {
        match self {
            Self::Low => Self::Normal,
            Self::Normal => Self::High,
            Self::High | Self::Urgent => Self::Urgent,
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        })
    }
}

/// The rules as people write them: see rules.toml.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    default: Fallback,
    #[serde(default)]
    tiers: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    rule: Vec<TextRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextRule {
    name: String,
    queue: Option<String>,
    priority: Option<Priority>,
    weight: Option<u32>,
    #[serde(default)]
    any: Vec<String>,
    #[serde(default)]
    all: Vec<String>,
    tier: Option<String>,
}

/// Compiled rules: what is kept in the cache.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    default: Fallback,
    tiers: BTreeMap<String, Vec<String>>,
    rules: Vec<Rule>,
}

/// What holds where no rule does.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fallback {
    queue: String,
    priority: Priority,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Rule {
    name: String,
    queue: Option<String>,
    priority: Option<Priority>,
    weight: u32,
    any: Vec<Phrase>,
    all: Vec<Phrase>,
    tier: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Phrase {
    /// As it was written: for the reasons.
    text: String,
    needle: String,
}

/// Where a ticket goes by the rules alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Routing {
    pub queue: String,
    pub priority: Priority,
    pub score: u32,
    pub reasons: Vec<String>,
}

impl Rules {
    /// Reads, checks and compiles rules.
    ///
    /// # Errors
    ///
    /// A sentence that says where the text is wrong, and how.
    pub fn compile(text: &str) -> Result<Self, String> {
        let parsed: Text = toml::from_str(text).map_err(|error| describe(text, &error))?;
        check_queue("default", &parsed.default.queue)?;
        let mut names = BTreeSet::new();
        let mut rules = Vec::with_capacity(parsed.rule.len());
        for rule in parsed.rule {
            if !names.insert(rule.name.clone()) {
                return Err(format!("there are two rules with the name {:?}", rule.name));
            }
            rules.push(Rule::compile(rule, &parsed.tiers)?);
        }
        Ok(Self { default: parsed.default, tiers: parsed.tiers, rules })
    }

    /// Where a ticket goes, and why.
    pub fn route(&self, ticket: &Ticket) -> Routing {
        let words = Words::of(ticket);
        let hits: Vec<(&Rule, String)> =
            self.rules.iter().filter_map(|rule| Some((rule, rule.holds(&words, self, &ticket.customer)?))).collect();
        let (queue, score) = winner(&hits).unwrap_or((&self.default.queue, 0));
        let counted = || hits.iter().filter(|(rule, _)| rule.queue.as_deref().is_none_or(|own| own == queue));
        let asked = counted().filter_map(|(rule, _)| rule.priority).max();
        let mut reasons: Vec<String> = counted().map(|(rule, why)| rule.reason(why)).collect();
        if score == 0 {
            reasons.insert(0, "no rule names a queue for it: default queue".to_owned());
        }
        Routing { queue: queue.to_owned(), priority: asked.unwrap_or(self.default.priority), score, reasons }
    }

    fn is_of_tier(&self, customer: &str, tier: &str) -> bool {
        let matches = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => customer.starts_with(start),
            None => customer == pattern,
        };
        self.tiers.get(tier).is_some_and(|patterns| patterns.iter().any(matches))
    }
}

/// The queue with the highest sum of weights; of equals, the one that was first.
fn winner<'a>(hits: &[(&'a Rule, String)]) -> Option<(&'a str, u32)> {
    let mut scores: Vec<(&str, u32)> = Vec::new();
    for (rule, _) in hits {
        let Some(queue) = rule.queue.as_deref() else { continue };
        match scores.iter_mut().find(|(known, _)| *known == queue) {
            Some((_, score)) => *score = score.saturating_add(rule.weight),
            None => scores.push((queue, rule.weight)),
        }
    }
    scores.into_iter().reduce(|best, next| if next.1 > best.1 { next } else { best })
}

impl Rule {
    fn compile(text: TextRule, tiers: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        let name = text.name;
        let wrong = |what: &str| Err(format!("rule {name:?}: {what}"));
        if text.any.is_empty() && text.all.is_empty() && text.tier.is_none() {
            return wrong("it has no condition; give it `any`, `all` or `tier`");
        }
        match (&text.queue, text.priority, text.weight) {
            (None, None, _) => return wrong("it does nothing; give it a `queue` or a `priority`"),
            (None, _, Some(_)) => return wrong("a `weight` counts for a `queue`, and it names none"),
            (_, _, Some(weight)) if weight == 0 || weight > WEIGHT_LIMIT => {
                return wrong(&format!("`weight` must be 1 to {WEIGHT_LIMIT}"));
            }
            _ => {}
        }
        if let Some(queue) = &text.queue {
            check_queue(&name, queue)?;
        }
        if let Some(tier) = text.tier.as_ref().filter(|tier| !tiers.contains_key(*tier)) {
            return wrong(&format!("there is no tier {tier:?} under [tiers]"));
        }
        let (any, all) = (Phrase::compile_all(&name, text.any)?, Phrase::compile_all(&name, text.all)?);
        let weight = text.weight.unwrap_or(WEIGHT);
        Ok(Self { name, queue: text.queue, priority: text.priority, weight, any, all, tier: text.tier })
    }

    /// Why the rule holds for a ticket; nothing where it does not.
    fn holds(&self, words: &Words, rules: &Rules, customer: &str) -> Option<String> {
        let mut why = Vec::new();
        if let Some(tier) = &self.tier {
            if !rules.is_of_tier(customer, tier) {
                return None;
            }
            why.push(format!("{tier} customer"));
        }
        for phrase in &self.all {
            why.push(words.find(phrase)?);
        }
        if !self.any.is_empty() {
            why.push(self.any.iter().find_map(|phrase| words.find(phrase))?);
        }
        Some(why.join(", "))
    }

    fn reason(&self, why: &str) -> String {
        match (&self.queue, self.priority) {
            (Some(queue), _) => format!("{}: {why}: {queue} +{}", self.name, self.weight),
            (None, Some(priority)) => format!("{}: {why}: at least {priority}", self.name),
            (None, None) => format!("{}: {why}", self.name),
        }
    }
}

impl Phrase {
    fn compile_all(rule: &str, texts: Vec<String>) -> Result<Vec<Self>, String> {
        texts.into_iter().map(|text| Self::compile(rule, text)).collect()
    }

    fn compile(rule: &str, text: String) -> Result<Self, String> {
        let (words, open) = match text.strip_suffix('*') {
            Some(words) => (words, true),
            None => (text.as_str(), false),
        };
        let mut needle = normalised(words);
        if needle.trim().is_empty() || words.contains('*') {
            return Err(format!("rule {rule:?}: {text:?} is no phrase; write words, with a `*` only at the end"));
        }
        if open {
            needle.truncate(needle.trim_end().len());
        }
        Ok(Self { text, needle })
    }
}

/// What phrases are looked for in.
struct Words {
    subject: String,
    body: String,
}

impl Words {
    fn of(ticket: &Ticket) -> Self {
        let read = ticket.body.get(..ticket.body.floor_char_boundary(BODY_READ)).unwrap_or_default();
        Self { subject: normalised(&ticket.subject), body: normalised(read) }
    }

    fn find(&self, phrase: &Phrase) -> Option<String> {
        let place = if self.subject.contains(&phrase.needle) {
            "subject"
        } else if self.body.contains(&phrase.needle) {
            "body"
        } else {
            return None;
        };
        Some(format!("\"{}\" in the {place}", phrase.text))
    }
}

/// Lower-cased words, each between single spaces, with one before the first and one after the last. Apostrophes go, so
/// that "can't" is one word however it is typed.
pub fn normalised(text: &str) -> String {
    let mut words = String::with_capacity(text.len() + 2);
    words.push(' ');
    for character in text.chars() {
        if character.is_alphanumeric() {
            words.extend(character.to_lowercase());
        } else if !matches!(character, '\'' | '\u{2019}') && !words.ends_with(' ') {
            words.push(' ');
        }
    }
    if !words.ends_with(' ') {
        words.push(' ');
    }
    words
}

fn check_queue(place: &str, queue: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if queue.is_empty() || queue.len() > 63 || !queue.bytes().all(plain) {
        return Err(format!("{place}: {queue:?} is no queue; use 1 to 63 of a-z, 0-9 and `-`"));
    }
    Ok(())
}

fn describe(text: &str, error: &toml::de::Error) -> String {
    let message = error.message();
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::tests::ticket;

    const SHIPPED: &str = include_str!("../rules.toml");

    fn route(customer: &str, subject: &str, body: &str) -> Routing {
        Rules::compile(SHIPPED).unwrap().route(&ticket("T-1", customer, subject, body, 0))
    }

    #[test]
    fn the_weights_of_a_queue_add_up() {
        let routing = route("someone", "Charged twice", "Please refund one of the two payments.");
        assert_eq!((routing.queue.as_str(), routing.priority, routing.score), ("billing", Priority::High, 80));
        assert_eq!(routing.reasons.len(), 3);
        assert_eq!(routing.reasons[0], "charged-wrongly: \"charged twice\" in the subject: billing +40");
    }

    #[test]
    fn only_the_winning_queue_sets_the_priority() {
        let routing = route("someone", "Refund for an invoice", "It would be nice to have dark mode too.");
        assert_eq!((routing.queue.as_str(), routing.priority), ("billing", Priority::Normal));
        assert_eq!(route("someone", "A suggestion", "").priority, Priority::Low);
    }

    #[test]
    fn a_rule_without_a_queue_raises_the_priority_of_any() {
        let routing = route("aldermoor-north", "Hello", "A question.");
        assert_eq!((routing.queue.as_str(), routing.priority, routing.score), ("general", Priority::High, 0));
        assert!(routing.reasons.iter().any(|reason| reason.contains("enterprise customer")));
        assert_eq!(route("aldermoor", "Hello", "").priority, Priority::Normal);
    }

    #[test]
    fn all_phrases_must_be_there() {
        assert_eq!(route("someone", "Leaked", "An API key was leaked").queue, "security");
        assert_eq!(route("someone", "Leaked", "The roof").queue, "general");
    }

    #[test]
    fn words_match_whole_and_whatever_their_case_and_apostrophe() {
        for subject in ["I can't log in", "I CAN\u{2019}T LOG-IN!", "we cant log\tin"] {
            assert_eq!(route("someone", subject, "").queue, "access", "{subject}");
        }
        assert_eq!(route("someone", "Slowenien", "").queue, "general");
        assert_eq!(route("someone", "RÜCKFRAGE ZUR RECHNUNG", "").queue, "billing");
    }

    #[test]
    fn an_earlier_rule_wins_a_tie() {
        let text = "[default]\nqueue = \"d\"\npriority = \"low\"\n\
            [[rule]]\nname = \"1\"\nqueue = \"b\"\nany = [\"x\"]\n[[rule]]\nname = \"2\"\nqueue = \"a\"\nany = [\"x\"]\n";
        let routing = Rules::compile(text).unwrap().route(&ticket("T-1", "c", "x", "", 0));
        assert_eq!((routing.queue.as_str(), routing.score, routing.priority), ("b", 10, Priority::Low));
    }

    #[test]
    fn a_long_body_is_read_only_so_far() {
        let far = format!("{} refund", "é ".repeat(BODY_READ));
        assert_eq!(route("someone", "Hello", &far).queue, "general");
    }

    #[test]
    fn compiled_rules_survive_the_cache() {
        let rules = Rules::compile(SHIPPED).unwrap();
        let kept = serde_json::to_vec(&rules).unwrap();
        assert_eq!(serde_json::from_slice::<Rules>(&kept).unwrap(), rules);
    }

    #[test]
    fn wrong_rules_say_where() {
        let head = "[default]\nqueue = \"d\"\npriority = \"low\"\n";
        for (text, says) in [
            ("", "default"),
            ("[default]\nqueue = \"d\"\npriority = \"soon\"", "line 3"),
            ("[default]\nqueue = \"D d\"\npriority = \"low\"", "no queue"),
            ("[[rule]]\nname = \"x\"\nwight = 3", "line 6"),
            ("[[rule]]\nname = \"x\"\nqueue = \"q\"", "no condition"),
            ("[[rule]]\nname = \"x\"\nany = [\"a\"]", "does nothing"),
            ("[[rule]]\nname = \"x\"\npriority = \"low\"\nweight = 3\nany = [\"a\"]", "names none"),
            ("[[rule]]\nname = \"x\"\nqueue = \"q\"\nweight = 0\nany = [\"a\"]", "1 to 10000"),
            ("[[rule]]\nname = \"x\"\nqueue = \"q\"\nany = [\"*\"]", "no phrase"),
            ("[[rule]]\nname = \"x\"\nqueue = \"q\"\nany = [\"a*b\"]", "no phrase"),
            ("[[rule]]\nname = \"x\"\nqueue = \"q\"\ntier = \"gold\"", "no tier"),
            (
                "[[rule]]\nname = \"x\"\nqueue = \"q\"\nany = [\"a\"]\n[[rule]]\nname = \"x\"\nqueue = \"q\"\nany = [\"a\"]",
                "two rules",
            ),
        ] {
            let text = if text.starts_with("[[") { format!("{head}{text}") } else { text.to_owned() };
            let message = Rules::compile(&text).unwrap_err();
            assert!(message.contains(says), "{message:?} for {text:?}");
        }
    }
}
