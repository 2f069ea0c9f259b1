//! What a prober could make of two lists of times: how often its guess would be right, and whether that is chance.
//!
//! Times come in pairs, one of each kind, asked one after the other in an order that was drawn. If they tell nothing, the
//! two of a pair could as well be exchanged: that is what chance is compared with, so that a machine which is slower for
//! a while makes no difference where there is none.

use super::random::Random;

/// Exchanges of the permutation test.
const PERMUTATIONS: u32 = 10_000;

/// What the times of one kind of name tell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Findings {
    /// Of guesses with the threshold that fits one half best, made on the other half: how many are right.
    pub(super) right: f64,
    /// Half of the interval of 95 % round it.
    pub(super) within: f64,
    /// The rate of right guesses from which on it would be called a tell.
    pub(super) seen_from: f64,
    /// The chance of differences like these, or greater, where there is none.
    pub(super) p: f64,
}

/// Judges pairs of times, foreign and absent; `alpha` is the chance of a false alarm that one row may have.
pub(super) fn judge(pairs: &[(f64, f64)], alpha: f64, random: &mut Random) -> Findings {
    let (even, odd): (Vec<_>, Vec<_>) = pairs.iter().enumerate().partition(|(index, _)| index % 2 == 0);
    let half = |part: Vec<(usize, &(f64, f64))>| part.into_iter().map(|(_, pair)| *pair).collect::<Vec<_>>();
    let (even, odd) = (half(even), half(odd));
    let right = f64::midpoint(guesses(&even, &odd), guesses(&odd, &even));
    let within = 1.96 * (0.25 / (2.0 * count(pairs.len()).max(1.0))).sqrt();
    let (distance, exchanged) = distances(pairs, random);
    let as_far = exchanged.iter().filter(|other| **other >= distance - 1e-12).count();
    let by_distance = (count(as_far) + 1.0) / (f64::from(PERMUTATIONS) + 1.0);
    // Two tests: the best threshold, and which of the two took longer. Either may find what the other does not.
    let p = (2.0 * by_distance.min(sign(pairs))).min(1.0);
    let critical = exchanged.get(position(&exchanged, 1.0 - alpha / 2.0)).copied().unwrap_or(1.0);
    Findings { right, within, seen_from: f64::midpoint(1.0, critical), p }
}

pub(super) fn count(of: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
    let count = of as f64;
    count
}

fn position(sorted: &[f64], share: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
    let index = (count(sorted.len()) * share) as usize;
    index.min(sorted.len().saturating_sub(1))
}

/// All times in order, each with its pair's number and whether it is the foreign one.
fn pooled(pairs: &[(f64, f64)]) -> Vec<(f64, usize, bool)> {
    let both = |(number, (foreign, absent)): (usize, &(f64, f64))| [(*foreign, number, true), (*absent, number, false)];
    let mut all: Vec<_> = pairs.iter().enumerate().flat_map(both).collect();
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    all
}

/// The greatest difference between the shares of foreign and of absent times below a threshold, and the threshold; positive
/// where foreign ones are below.
fn best_threshold(all: &[(f64, usize, bool)], pairs: usize, exchanged: impl Fn(usize) -> bool) -> (f64, f64) {
    let (mut ahead, mut best) = (0_i64, (0_i64, 0.0));
    let mut rest = all.iter().peekable();
    while let Some((time, number, foreign)) = rest.next() {
        ahead += if *foreign == exchanged(*number) { -1 } else { 1 };
        // Equal times are on one side of any threshold.
        let last = rest.peek().is_none_or(|next| next.0 > *time);
        if last && ahead.abs() > best.0.abs() {
            best = (ahead, *time);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
    let share = best.0 as f64 / count(pairs).max(1.0);
    (share, best.1)
}

/// How many guesses on `tried` are right with the threshold that fits `learnt` best.
fn guesses(learnt: &[(f64, f64)], tried: &[(f64, f64)]) -> f64 {
    let (share, threshold) = best_threshold(&pooled(learnt), learnt.len(), |_| false);
    let says_foreign = |time: f64| (time <= threshold) == (share > 0.0);
    let right =
        |(foreign, absent): &(f64, f64)| usize::from(says_foreign(*foreign)) + usize::from(!says_foreign(*absent));
    count(tried.iter().map(right).sum()) / (2.0 * count(tried.len()).max(1.0))
}

/// How far apart the two lists are at the best threshold, and in order how far they are where each pair is exchanged or
/// not by lot.
fn distances(pairs: &[(f64, f64)], random: &mut Random) -> (f64, Vec<f64>) {
    let all = pooled(pairs);
    let distance = best_threshold(&all, pairs.len(), |_| false).0.abs();
    let mut lots = vec![false; pairs.len()];
    let exchanged = (0..PERMUTATIONS).map(|_| {
        lots.iter_mut().for_each(|lot| *lot = random.coin());
        best_threshold(&all, pairs.len(), |number| lots.get(number).copied().unwrap_or_default()).0.abs()
    });
    let mut exchanged: Vec<_> = exchanged.collect();
    exchanged.sort_by(f64::total_cmp);
    (distance, exchanged)
}

/// The sign test, both ways: the chance that one of the two is the slower one as often as it was.
fn sign(pairs: &[(f64, f64)]) -> f64 {
    let slower = count(pairs.iter().filter(|(foreign, absent)| foreign > absent).count());
    let faster = count(pairs.iter().filter(|(foreign, absent)| foreign < absent).count());
    let all = slower + faster;
    if all < 1.0 {
        return 1.0;
    }
    // With a correction of one half, since counts are whole.
    let deviation = ((slower - faster).abs() - 1.0).max(0.0) / all.sqrt();
    complementary_error(deviation / std::f64::consts::SQRT_2)
}

/// `erfc` for numbers that are not negative, to 1.2e-7 (Numerical Recipes, 1992).
fn complementary_error(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 10] = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let t = 1.0 / (1.0 + 0.5 * x);
    let polynomial = COEFFICIENTS.iter().rev().fold(0.0, |sum, coefficient| sum * t + coefficient);
    t * (-x * x + polynomial).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times round 100 with a long tail, the foreign ones later by so much.
    fn pairs(number: usize, later: f64) -> Vec<(f64, f64)> {
        let mut random = Random::new(7);
        let mut time = || 100.0 - 10.0 * random.unit().max(1e-9).ln();
        (0..number).map(|_| (time() + later, time())).collect()
    }

    #[test]
    fn times_of_one_kind_are_chance_and_a_small_difference_in_many_is_not() {
        let mut random = Random::new(1);
        let same = judge(&pairs(4_000, 0.0), 0.001, &mut random);
        assert!(same.p > 0.001 && (same.right - 0.5).abs() < 0.02, "{same:?}");
        let apart = judge(&pairs(4_000, 1.0), 0.001, &mut random);
        assert!(apart.p < 0.001 && apart.right > 0.5, "{apart:?}");
        assert!(apart.seen_from > 0.5 && apart.seen_from < 0.54, "{apart:?}");
    }

    #[test]
    fn a_prober_that_can_know_is_right_whichever_is_the_slower() {
        for later in [1_000.0, -1_000.0] {
            let found = judge(&pairs(400, later), 0.001, &mut Random::new(1));
            assert!(found.right > 0.98 && found.p < 0.001, "{found:?}");
        }
    }

    #[test]
    fn equal_times_tell_nothing() {
        let found = judge(&vec![(5.0, 5.0); 100], 0.001, &mut Random::new(1));
        assert!((found.p - 1.0).abs() < 1e-9 && (found.right - 0.5).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn chances_of_a_normal_variable_are_known() {
        for (x, known) in [(0.0, 1.0), (1.959_964 / std::f64::consts::SQRT_2, 0.05), (2.0, 0.004_677_73)] {
            assert!((complementary_error(x) - known).abs() < 1e-6, "{x}");
        }
    }
}
