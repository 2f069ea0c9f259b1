//! How well a note answers a query: BM25. Pure arithmetic.
//!
//! After Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", Foundations and Trends in
//! Information Retrieval 3 (4), 2009: a word counts for more the rarer it is, for less each time that a note repeats it,
//! and for less in a longer note. The weight of a word has 1 added under its logarithm, so that one which is in most notes
//! weighs little instead of less than nothing.

/// How soon a repeated word stops counting for more.
const K1: f64 = 1.2;

/// How much the length of a note matters, 0 to 1.
const B: f64 = 0.75;

/// What is known of all notes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corpus {
    /// How many there are.
    pub notes: u64,
    /// How many words they have, repetitions counted.
    pub words: u64,
}

impl Corpus {
    /// Words in a note, on average.
    pub fn average(&self) -> f64 {
        if self.notes == 0 { 0.0 } else { self.words as f64 / self.notes as f64 }
    }

    /// What a word weighs that is in so many of the notes.
    pub fn weight(&self, found_in: usize) -> f64 {
        let found_in = found_in as f64;
        // Statistics that are a moment older than the index must not make a logarithm of nothing.
        let notes = (self.notes as f64).max(found_in);
        (1.0 + (notes - found_in + 0.5) / (found_in + 0.5)).ln()
    }

    /// What one note gets for having a word of this weight so many times among its `length` words.
    pub fn score(&self, weight: f64, times: u32, length: u32) -> f64 {
        let (times, length) = (f64::from(times), f64::from(length));
        let average = self.average().max(1.0);
        weight * times * (K1 + 1.0) / (times + K1 * (1.0 - B + B * length / average))
    }
}

/// A score as it is shown: to four places.
pub fn rounded(score: f64) -> f64 {
    (score * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORPUS: Corpus = Corpus { notes: 100, words: 2_000 };

    #[test]
    fn the_formula_is_that_of_the_paper() {
        // ln(1 + 90.5 / 10.5) * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 30 / 20))
        let score = CORPUS.score(CORPUS.weight(10), 2, 30);
        assert_eq!(rounded(score), 2.7289);
    }

    #[test]
    fn a_rare_word_outweighs_a_common_one_and_none_weighs_nothing() {
        assert!(CORPUS.weight(1) > CORPUS.weight(2));
        assert!(CORPUS.weight(100) > 0.0);
        assert!(CORPUS.weight(1_000).is_finite(), "statistics may be older than the index");
    }

    #[test]
    fn repetition_counts_less_and_less_and_length_against_a_note() {
        let score = |times, length| CORPUS.score(1.0, times, length);
        assert!(score(2, 20) > score(1, 20));
        assert!(score(2, 20) - score(1, 20) > score(3, 20) - score(2, 20));
        assert!(score(1_000_000, 20) < K1 + 1.0);
        assert!(score(1, 10) > score(1, 40));
    }

    #[test]
    fn an_empty_memory_divides_by_nothing() {
        let empty = Corpus { notes: 0, words: 0 };
        assert_eq!(empty.average(), 0.0);
        assert!(empty.score(empty.weight(0), 1, 1).is_finite());
    }
}
