//! Which items go into one request, in which order.

use crate::record::Item;
use std::ops::Range;

/// A request may span this much, in milliseconds.
const SPAN: i64 = 24 * 60 * 60 * 1000;

/// Cuts a batch into runs that each fit one request: their times span at most a day. The engine has seen to size and number.
pub(super) fn runs(items: &[Item]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    let mut bounds: Option<(i64, i64)> = None;
    for (index, item) in items.iter().enumerate() {
        let at = time(item);
        let (first, last) = bounds.map_or((at, at), |(first, last)| (first.min(at), last.max(at)));
        if last.saturating_sub(first) > SPAN {
            runs.push(start..index);
            start = index;
            bounds = Some((at, at));
        } else {
            bounds = Some((first, last));
        }
    }
    if start < items.len() {
        runs.push(start..items.len());
    }
    runs
}

/// The indexes of a run in the order of their times. Equal times keep the journal's order.
pub(super) fn chronological(items: &[Item], run: Range<usize>) -> Vec<usize> {
    let mut order: Vec<usize> = run.collect();
    order.sort_by_key(|&index| items.get(index).map(time));
    order
}

/// What CloudWatch is told: it knows no time before 1970.
pub(super) fn time(item: &Item) -> i64 {
    item.record.at().max(0)
}

/// Items of these times.
#[cfg(test)]
pub(super) fn items(times: &[i64]) -> Vec<Item> {
    (0..)
        .zip(times)
        .map(|(number, &at)| {
            let mut record = crate::record::sample(number, "x");
            record.logged_at = Some(at);
            Item {
                record,
                encoded: Vec::new(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_keep_their_order() {
        let items = items(&[5, 3, 5, 3, 4]);
        assert_eq!(runs(&items).first(), Some(&(0..5)));
        assert_eq!(chronological(&items, 0..5), [1, 3, 4, 0, 2]);
    }

    #[test]
    fn a_request_spans_a_day_at_most_whichever_way_the_clock_went() {
        assert_eq!(runs(&items(&[0, SPAN, SPAN + 1])), [0..2, 2..3]);
        assert_eq!(runs(&items(&[SPAN + 1, 1, 0, SPAN])), [0..2, 2..4]);
        assert_eq!(runs(&items(&[i64::MAX, i64::MIN])), [0..1, 1..2]);
        assert!(runs(&[]).is_empty());
    }
}
