//! A step that makes a certificate: its files are written down in the journal, then written; or what stood there is put back.

use crate::certificate::{Made, Owner, Target, Targets, make};
use crate::engine::Engine;
use crate::error::ApplyError;
use crate::journal::{Entry, Place, Places};
use crate::request::{Effect, Request};
use crate::session::value;
use crate::state::last_run;
use crate::steps::{Step, sha256};
use pgattest_model::ident::visible;
use pgattest_model::plan::Action;
use pgattest_wire::Connection;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What an action asks for, with paths of this machine.
struct Wanted<'a> {
    names: &'a [String],
    days: u32,
    certificate: PathBuf,
    key: PathBuf,
    authority: PathBuf,
    /// Whose files they will be: the data directory's.
    owner: Owner,
}

impl Engine<'_, '_> {
    pub(crate) async fn certificate(
        &mut self,
        step: &Step,
        action: &Action,
    ) -> Result<Vec<Effect>, ApplyError> {
        let change = step.changes.first().cloned().unwrap_or_default();
        if self.undo {
            return self.take_away(&change);
        }
        self.hold().await?;
        let wanted = wanted(self.request, &self.control, action).await?;
        if self.reopened
            && let Some(places) = self.written_down(&change)
        {
            // Which of them an earlier process wrote nobody knows; from here on there are none.
            check_ours(&places)?;
            targets(&places).restore()?;
        }
        let targets = Targets::choose(&wanted.certificate, &wanted.key, &wanted.authority)?;
        let made = make(wanted.names, wanted.days)?;
        let places = places(&targets, &made);
        let effects = effects(&change, &places)?;
        self.journal.add(Entry::Certificate { change, places })?;
        match self.write_files(&targets, &made, wanted.owner) {
            Ok(()) => Ok(effects),
            Err(error) => {
                self.unclear = targets.restore().is_err();
                Err(error)
            }
        }
    }

    fn write_files(&self, targets: &Targets, made: &Made, owner: Owner) -> Result<(), ApplyError> {
        for (target, bytes, mode) in targets.files(made) {
            let path = target.path.display().to_string();
            self.point("before writing", &path)?;
            target.write(bytes, mode, owner)?;
            self.point("after writing", &path)?;
        }
        Ok(())
    }

    /// What stood there comes back; where nothing stood, nothing stays.
    fn take_away(&mut self, change: &str) -> Result<Vec<Effect>, ApplyError> {
        let Some(places) = self.written_down(change) else {
            return Ok(Vec::new());
        };
        check_ours(&places)?;
        // Some may be put back and others not: the step stays open until all are.
        self.unclear = true;
        let targets = targets(&places);
        for target in [&targets.authority, &targets.certificate, &targets.key] {
            let path = target.path.display().to_string();
            self.point("before putting back", &path)?;
            target.restore()?;
            self.point("after putting back", &path)?;
        }
        Ok(effects(change, &places)?
            .into_iter()
            .map(|effect| Effect {
                before: effect.after,
                after: effect.before,
                ..effect
            })
            .collect())
    }

    /// The files that the last attempt of a change wrote or was about to write.
    pub(crate) fn written_down(&self, change: &str) -> Option<Places> {
        // An attempt that failed left nothing.
        last_run(&self.journal.entries)
            .iter()
            .rev()
            .take_while(|entry| {
                !matches!(entry, Entry::Failed { changes, undo: false, .. } if changes.iter().any(|of| of == change))
            })
            .find_map(|entry| match entry {
                Entry::Certificate { change: of, places } if of == change => Some(places.clone()),
                _ => None,
            })
    }
}

/// Why a certificate could not be made here, as far as can be seen without making one that stays.
pub(crate) async fn problems(
    request: &Request<'_>,
    control: &Connection,
    action: &Action,
) -> Result<Vec<String>, ApplyError> {
    let wanted = match wanted(request, control, action).await {
        Ok(wanted) => wanted,
        Err(ApplyError::NotFromHere(why)) => return Ok(vec![why]),
        Err(error) if error.sqlstate() == Some("42501") => {
            return Ok(vec![
                "membership in pg_read_all_settings: data_directory cannot be read".to_owned(),
            ]);
        }
        Err(error) => return Err(error),
    };
    make(wanted.names, wanted.days)?;
    let mut problems = Vec::new();
    let mut folders: Vec<&Path> = [&wanted.key, &wanted.certificate, &wanted.authority]
        .iter()
        .filter_map(|path| path.parent())
        .collect();
    folders.dedup();
    for folder in folders {
        let trial = Target {
            path: folder.join(".pgattest-trial"),
            backup: None,
        };
        let tried = trial
            .write(b"", 0o600, wanted.owner)
            .and_then(|()| trial.restore());
        if let Err(error) = tried {
            let why = std::error::Error::source(&error)
                .map_or_else(String::new, |source| format!(": {source}"));
            problems.push(format!(
                "writing files of the server's account in {}{why}",
                visible(&folder.display().to_string())
            ));
        }
    }
    Ok(problems)
}

async fn wanted<'a>(
    request: &Request<'_>,
    control: &Connection,
    action: &'a Action,
) -> Result<Wanted<'a>, ApplyError> {
    let Action::Certificate {
        names,
        days,
        certificate,
        key,
        authority,
    } = action
    else {
        return Err(ApplyError::NotFromHere(
            "the plan asks for no certificate here".to_owned(),
        ));
    };
    let data = value(
        control,
        "SELECT pg_catalog.current_setting('data_directory')",
        &[],
    )
    .await?;
    let data = PathBuf::from(data);
    is_here(&data, &request.plan.target.system_identifier).map_err(|why| {
        ApplyError::NotFromHere(format!(
            "the server's data directory, {}, on this machine: {why}",
            visible(&data.display().to_string())
        ))
    })?;
    Ok(Wanted {
        names,
        days: *days,
        certificate: data.join(certificate),
        key: data.join(key),
        authority: data.join(authority),
        owner: Owner::of(&data)?,
    })
}

/// Whether this folder is the data directory of this cluster, and not another machine's of the same name: `pg_control` begins with
/// the system identifier.
fn is_here(data: &Path, system_identifier: &str) -> Result<(), String> {
    let mut first = [0; 8];
    File::open(data.join("global/pg_control"))
        .and_then(|mut file| file.read_exact(&mut first))
        .map_err(|error| format!("global/pg_control cannot be read: {error}"))?;
    let found = u64::from_ne_bytes(first).to_string();
    if found == system_identifier {
        Ok(())
    } else {
        Err(format!(
            "the one that is there is of another cluster, {found}"
        ))
    }
}

fn places(targets: &Targets, made: &Made) -> Places {
    let place = |target: &Target, pem: Option<&str>| Place {
        path: target.path.clone(),
        before: target.backup.clone(),
        sha256: pem.map(|pem| sha256(pem.as_bytes())),
    };
    Places {
        key: place(&targets.key, None),
        certificate: place(&targets.certificate, Some(&made.certificate_pem)),
        authority: place(&targets.authority, Some(&made.authority_pem)),
    }
}

fn effects(change: &str, places: &Places) -> Result<Vec<Effect>, ApplyError> {
    let mut effects = vec![Effect {
        change: change.to_owned(),
        on: places.key.path.display().to_string(),
        before: String::new(),
        after: "a private key".to_owned(),
    }];
    for place in [&places.certificate, &places.authority] {
        let before = match &place.before {
            // Not yet moved, or already.
            Some(before) => digest(before)?.or(digest(&place.path)?),
            None => None,
        };
        effects.push(Effect {
            change: change.to_owned(),
            on: place.path.display().to_string(),
            before: before.unwrap_or_default(),
            after: place.sha256.clone().unwrap_or_default(),
        });
    }
    Ok(effects)
}

/// Refuses when somebody put a certificate of their own in the place of ours.
fn check_ours(places: &Places) -> Result<(), ApplyError> {
    for place in [&places.certificate, &places.authority] {
        if is_foreign(place)? {
            return Err(ApplyError::FileMoved {
                path: place.path.display().to_string(),
            });
        }
    }
    Ok(())
}

fn targets(places: &Places) -> Targets {
    let target = |place: &Place| Target {
        path: place.path.clone(),
        backup: place.before.clone(),
    };
    Targets {
        key: target(&places.key),
        certificate: target(&places.certificate),
        authority: target(&places.authority),
    }
}

/// Whether a file is neither what we wrote nor what stood there before.
fn is_foreign(place: &Place) -> Result<bool, ApplyError> {
    let Some(now) = digest(&place.path)? else {
        return Ok(false);
    };
    let ours = place.sha256.as_ref() == Some(&now);
    let Some(before) = &place.before else {
        return Ok(!ours);
    };
    Ok(match inode(before)? {
        // Ours is there and the old file is gone: there is nothing to put back. Another one is there: the old one, back already.
        None => ours,
        // Two names of the old file: ours was not written.
        Some(kept) => !ours && inode(&place.path)? != Some(kept),
    })
}

/// SHA-256 of a file, hex; `None` when there is none.
fn digest(path: &Path) -> Result<Option<String>, ApplyError> {
    found(std::fs::read(path), path).map(|bytes| bytes.map(|bytes| sha256(&bytes)))
}

/// Which file a name leads to; `None`: it leads nowhere.
fn inode(path: &Path) -> Result<Option<(u64, u64)>, ApplyError> {
    found(path.symlink_metadata(), path).map(|found| found.map(|found| (found.dev(), found.ino())))
}

fn found<T>(outcome: io::Result<T>, path: &Path) -> Result<Option<T>, ApplyError> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ApplyError::File {
            action: "look at",
            path: path.display().to_string(),
            source,
        }),
    }
}
