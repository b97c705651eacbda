//! What the first pair of parentheses matches.
//!
//! The two dialects choose differently among several ways to match. So all ways are tried: when only one way is possible, both
//! dialects take it, and when there are more, nobody knows.

use super::translate::Translated;
use super::{FirstGroup, compile};
use regex::bytes::Regex;

/// Longer names are not tried. The server's names have 63 bytes; those of other systems may have more.
const LONGEST: usize = 256;

#[derive(Clone, Debug)]
pub(super) enum Capture {
    /// There is no pair of parentheses.
    Absent,
    /// What stands before, in, and after it, each matching its part as a whole.
    Parts {
        before: Regex,
        inside: Regex,
        after: Regex,
    },
    Unclear,
}

impl Capture {
    pub(super) fn of(translated: &Translated) -> Self {
        if translated.groups == 0 {
            return Self::Absent;
        }
        Self::parts(translated).unwrap_or(Self::Unclear)
    }

    fn parts(translated: &Translated) -> Option<Self> {
        let text = translated.text.as_str();
        let (start, end) = translated.simple_group?;
        let before = text.get(..start.checked_sub(1)?)?;
        let inside = text.get(start..end)?;
        let after = text.get(end + 1..)?;
        // Anchors mean something at the two ends only, once the parts stand alone.
        let last = text.len().checked_sub(2);
        let (mut from_start, mut to_end) = (false, false);
        for &anchor in &translated.anchors {
            if anchor == 0 && text.starts_with(r"\A") {
                from_start = true;
            } else if Some(anchor) == last && anchor > end && text.ends_with(r"\z") {
                to_end = true;
            } else {
                return None;
            }
        }
        let before = if from_start {
            before.get(2..)?.to_owned()
        } else {
            format!(".*(?:{before})")
        };
        let after = if to_end {
            after.get(..after.len().checked_sub(2)?)?.to_owned()
        } else {
            format!("(?:{after}).*")
        };
        let whole = |part: &str| compile(&format!(r"\A(?:{part})\z"));
        Some(Self::Parts {
            before: whole(&before)?,
            inside: whole(inside)?,
            after: whole(&after)?,
        })
    }

    pub(super) fn first_group(&self, name: &str) -> FirstGroup {
        let (before, inside, after) = match self {
            Self::Absent => return FirstGroup::Absent,
            Self::Unclear => return FirstGroup::Unclear,
            Self::Parts {
                before,
                inside,
                after,
            } => (before, inside, after),
        };
        let bytes = name.as_bytes();
        if bytes.len() > LONGEST {
            return FirstGroup::Unclear;
        }
        let fits =
            |regex: &Regex, part: Option<&[u8]>| part.is_some_and(|part| regex.is_match(part));
        let starts = (0..=bytes.len()).filter(|&at| fits(before, bytes.get(..at)));
        let ends: Vec<_> = (0..=bytes.len())
            .filter(|&at| fits(after, bytes.get(at..)))
            .collect();
        let mut ways = starts.flat_map(|start| {
            ends.iter()
                .filter(move |&&end| start <= end)
                .map(move |&end| start..end)
        });
        let mut matching = ways
            .by_ref()
            .filter(|way| fits(inside, bytes.get(way.clone())));
        match (matching.next(), matching.next()) {
            (Some(way), None) => name.get(way).map_or(FirstGroup::Unclear, |text| {
                FirstGroup::Text(text.to_owned())
            }),
            _ => FirstGroup::Unclear,
        }
    }
}
