//! What is made of the figures of several rounds.

/// The median; of an even number, the greater of the two in the middle. Nothing of none.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_in_whatever_order_they_came() {
        assert_eq!([median([3.0, 1.0, 2.0]), median([2.0, 1.0]), median([])], [2.0, 2.0, 0.0]);
    }
}
