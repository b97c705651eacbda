//! Volumes that are really full: of the log, of the journal, of the archive. They are mounted by the test, which takes root.

use super::loss::{End, SESSIONS, assert_loss_is_told, load};
use super::scene::{
    Collector, catch_up, configure, log_dir, server, server_that_logs, statement, wait_until,
};
use super::sealed::{
    assert_archive_is_the_log, assert_bytes_are_the_log, assert_journal_is_the_log,
    assert_verified, holds,
};
use crate::support::{Desk, start};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A volume of its own, unmounted when the test ends.
struct Volume(PathBuf);

impl Volume {
    /// Mounts one of so many KiB at a folder, which keeps its owner. `None`, and a word on it, where the test may not.
    fn mount(at: &Path, kib: u32) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!(
                "NOT TESTED: a full volume at {}: only root may mount one",
                at.display()
            );
            return None;
        }
        let owner = fs::metadata(at).unwrap();
        let options = format!(
            "size={kib}k,mode=0700,uid={},gid={}",
            owner.uid(),
            owner.gid()
        );
        let mounted = start(Path::new("/usr/bin/mount"))
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(at)
            .output()
            .unwrap();
        if !mounted.status.success() {
            // A container whose root may not.
            println!(
                "NOT TESTED: a full volume at {}: {}",
                at.display(),
                String::from_utf8_lossy(&mounted.stderr)
            );
            return None;
        }
        Some(Self(at.to_owned()))
    }

    /// Makes it this large.
    #[track_caller]
    fn grow(&self, kib: u32) {
        let grown = start(Path::new("/usr/bin/mount"))
            .args(["-o", &format!("remount,size={kib}k")])
            .arg(&self.0)
            .status()
            .unwrap();
        assert!(grown.success());
    }

    /// Fills it to the last byte with a file that is nobody's.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        assert!(self.is_full());
        path
    }

    fn is_full(&self) -> bool {
        rustix::fs::statvfs(&self.0).unwrap().f_bavail == 0
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazily: the server may not have ended yet.
        let _ = start(Path::new("/usr/bin/umount"))
            .arg("-l")
            .arg(&self.0)
            .status();
    }
}

#[test]
fn what_a_server_drops_while_its_log_volume_is_full_is_told_line_by_line() {
    let (desk, cluster) = (Desk::new(), server_that_logs("100MB"));
    configure(&desk, &cluster);
    cluster.stop().unwrap();
    let Some(volume) = Volume::mount(&log_dir(&cluster), 3 << 10) else {
        return;
    };
    cluster.start().unwrap();
    let mut collector = Collector::start(&desk);
    let mut load = load(&desk, &cluster);
    wait_until("a full volume", || volume.is_full());
    // It goes on without a log, for as long as it takes to notice that here.
    volume.grow(64 << 10);
    assert!(load.wait().unwrap().success(), "the server did not go on");
    cluster.restart().unwrap();
    statement(&cluster, "select 'after it'");
    cluster.stop().unwrap();
    collector.kill();
    catch_up(&desk);
    assert_bytes_are_the_log(&desk, &cluster);
    assert_verified(&desk);
    let (missing, _) = assert_loss_is_told(&desk, &cluster, SESSIONS, &End::OfItself);
    assert!(missing > 0, "nothing was dropped");
}

#[test]
fn while_the_journals_volume_is_full_the_logs_wait_and_afterwards_everything_is_there_once() {
    let (desk, cluster) = (Desk::new(), server("1MB"));
    configure(&desk, &cluster);
    fs::create_dir(desk.path("journal")).unwrap();
    let Some(volume) = Volume::mount(&desk.path("journal"), 4 << 10) else {
        return;
    };
    let mut collector = Collector::start(&desk);
    statement(&cluster, "CREATE TABLE before_it ()");
    wait_until("the first table", || holds(&desk, "TABLE before_it"));
    let ballast = volume.fill();
    for number in 0..100 {
        statement(&cluster, &format!("CREATE TABLE meanwhile_{number} ()"));
    }
    wait_until("a word on it", || {
        collector.has_said("the journal could not be written")
    });
    assert!(!holds(&desk, "TABLE meanwhile_99"));
    fs::remove_file(ballast).unwrap();
    wait_until("the last table", || holds(&desk, "TABLE meanwhile_99"));
    cluster.stop().unwrap();
    collector.kill();
    catch_up(&desk);
    assert_journal_is_the_log(&desk, &cluster);
    assert_verified(&desk);
}

#[test]
fn while_the_archives_volume_is_full_the_journal_goes_on_and_no_half_file_counts() {
    let (desk, cluster) = (Desk::new(), server("1MB"));
    configure(&desk, &cluster);
    fs::create_dir(desk.path("archive")).unwrap();
    let Some(volume) = Volume::mount(&desk.path("archive"), 4 << 10) else {
        return;
    };
    let mut collector = Collector::start(&desk);
    for number in 0..100 {
        statement(&cluster, &format!("CREATE TABLE meanwhile_{number} ()"));
    }
    wait_until("the last table", || holds(&desk, "TABLE meanwhile_99"));
    collector.kill();
    let archived = files(&desk.path("archive")).len();
    let ballast = volume.fill();
    // What it begins with is to archive what the journal has.
    let mut collector = Collector::start(&desk);
    wait_until("a word on it", || {
        collector.has_said("No space left on device")
    });
    statement(&cluster, "CREATE TABLE after_it ()");
    wait_until("a later table", || holds(&desk, "TABLE after_it"));
    assert_eq!(files(&desk.path("archive")).len(), archived, "a half file");
    cluster.stop().unwrap();
    collector.kill();
    fs::remove_file(ballast).unwrap();
    catch_up(&desk);
    let files = assert_journal_is_the_log(&desk, &cluster);
    assert_archive_is_the_log(&desk, &files);
    assert_verified(&desk);
}

/// The Parquet files below a folder that count: until it is whole a file has a name that begins with a dot.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if is_parquet(&path) {
            found.push(path);
        }
    }
    found
}

fn is_parquet(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.ends_with(".parquet") && !name.starts_with('.')
}
