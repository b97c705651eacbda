//! Which sinks are looked at: those that the collector is told of, or those of them that are named.

use crate::failure::{Doing, Failure, fail};
use crate::trail_file::TrailFile;
use pgattest_model::ident::visible;
use pgattest_sinks::engine;
use pgattest_trail::{JournalError, JournalReader, Leaf};

/// How many leaves are read at once, from the end of the journal backwards.
const STRIDE: u64 = 4096;

/// A sink that is looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Sink {
    pub(super) name: String,
    /// Seconds that it has by its own configuration.
    pub(super) deadline: Option<u32>,
}

/// The sinks that the configuration names; without one, those that the journal's last configuration leaf names. `None`: there is neither.
pub(super) fn known(
    file: Option<&TrailFile>,
    journal: Option<&JournalReader>,
) -> Result<Option<Vec<Sink>>, Failure> {
    if let Some(file) = file {
        let sinks = file.sink.iter().map(|(name, sink)| Sink {
            name: name.to_string(),
            deadline: sink.deadline_seconds,
        });
        return Ok(Some(sinks.collect()));
    }
    let Some(reader) = journal else {
        return Ok(None);
    };
    if let Some(told) = last_told(reader)? {
        let sinks = told.sinks.into_iter().map(|(name, sink)| Sink {
            name,
            deadline: sink.deadline_seconds,
        });
        return Ok(Some(sinks.collect()));
    }
    // A collector of an older version did not write down what it is told. What its sinks have left tells of them.
    let seen = engine::known(reader.dir(), &[])
        .doing(|| "what the sinks have written could not be read".to_owned())?;
    let sinks = seen.into_iter().map(|sink| Sink {
        name: sink.name.to_string(),
        deadline: None,
    });
    Ok(Some(sinks.collect()))
}

/// What the collector was told last, as far as the journal says.
fn last_told(reader: &JournalReader) -> Result<Option<pgattest_trail::leaf::Told>, JournalError> {
    let mut end = reader.size();
    while end > 0 {
        let from = end.saturating_sub(STRIDE);
        let mut last = None;
        for leaf in reader.leaves(from) {
            let (index, leaf) = leaf?;
            if index >= end {
                break;
            }
            if let Leaf::Configuration { told, .. } = leaf {
                last = Some(told);
            }
        }
        if let Some(told) = last {
            return Ok(told);
        }
        end = from;
    }
    Ok(None)
}

/// All of them, or those that are named.
pub(super) fn choose(known: Option<Vec<Sink>>, named: &[String]) -> Result<Vec<Sink>, Failure> {
    let all = known.unwrap_or_default();
    if named.is_empty() {
        return Ok(all);
    }
    let mut chosen: Vec<Sink> = Vec::new();
    for name in named {
        let sink = all.iter().find(|sink| sink.name == *name).ok_or_else(|| {
            let names: Vec<String> = all.iter().map(|sink| visible(&sink.name)).collect();
            fail(format!("nobody knows a sink `{}`", visible(name))).hint(if names.is_empty() {
                "the collector is told of no sink, as far as its journal and configuration say: name its configuration, --config \
                 trail.toml, or start it with one"
                    .to_owned()
            } else {
                format!("the collector is told of: {}", names.join(", "))
            })
        })?;
        if !chosen.contains(sink) {
            chosen.push(sink.clone());
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::{Sink, choose};

    fn sink(name: &str) -> Sink {
        Sink {
            name: name.to_owned(),
            deadline: None,
        }
    }

    #[test]
    fn a_name_narrows_and_one_that_nobody_knows_is_refused_with_those_that_are() {
        let all = || Some(vec![sink("a"), sink("b")]);
        let named = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            choose(all(), &names)
        };
        assert_eq!(named(&[]).unwrap(), all().unwrap());
        assert_eq!(named(&["b", "b"]).unwrap(), [sink("b")]);
        let refused = named(&["a", "c"]).unwrap_err();
        assert!(refused.error.to_string().contains("`c`"));
        assert!(refused.hint.unwrap().contains("a, b"));
        let refused = choose(None, &["c".to_owned()]).unwrap_err();
        assert!(refused.hint.unwrap().contains("--config"));
    }
}
