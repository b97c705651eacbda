//! The existing name that was probably meant.

use strsim::osa_distance;

/// The candidate that differs from the wanted name in the fewest letters, when that is few for its length. The first of equals
/// in their order.
pub(super) fn nearest<'a>(
    wanted: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let length = wanted.chars().count();
    let most = (length / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= most)
        .map(|candidate| (osa_distance(wanted, candidate), candidate))
        .filter(|(distance, _)| (1..=most).contains(distance))
        .min()
        .map(|(_, candidate)| candidate)
}

/// `did you mean ..?`
pub(super) fn did_you_mean(name: &str) -> String {
    format!("did you mean `{name}`?")
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let names = ["billing", "app", "reporting"];
        assert_eq!(nearest("biling", names), Some("billing"));
        assert_eq!(nearest("ap", names), Some("app"));
        assert_eq!(nearest("warehouse", names), None);
        assert_eq!(nearest("", names), None);
    }
}
