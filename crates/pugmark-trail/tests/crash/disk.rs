//! A disk that loses power: what was not synced is lost, torn or reordered.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use pugmark_trail::{Appender, Disk};
use rand::Rng;

/// Counts down with each operation on the outside; at zero nothing works.
#[derive(Debug)]
pub(crate) struct Fuse {
    left: AtomicU64,
    burnt: AtomicU64,
}

impl Fuse {
    pub(crate) fn new(left: u64) -> Fuse {
        Fuse { left: AtomicU64::new(left), burnt: AtomicU64::new(0) }
    }

    pub(crate) fn burn(&self) -> io::Result<()> {
        let left = self.left.load(Ordering::SeqCst);
        if left == 0 {
            return Err(io::Error::other("no power"));
        }
        self.left.store(left - 1, Ordering::SeqCst);
        self.burnt.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    pub(crate) fn set(&self, left: u64) {
        self.left.store(left, Ordering::SeqCst);
    }

    pub(crate) fn is_out(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }

    pub(crate) fn burnt(&self) -> u64 {
        self.burnt.load(Ordering::SeqCst)
    }
}

/// What happens to writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    Lost,
    Reordered,
    Torn,
}

pub(crate) const DAMAGES: [Damage; 3] = [Damage::Lost, Damage::Reordered, Damage::Torn];

#[derive(Debug, Default)]
struct Contents {
    durable: Vec<u8>,
    pending: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Platter {
    files: BTreeMap<String, Contents>,
    /// Handles of before a crash write nowhere.
    boots: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct CrashDisk {
    platter: Arc<Mutex<Platter>>,
    fuse: Arc<Fuse>,
}

impl CrashDisk {
    pub(crate) fn new(fuse: Arc<Fuse>) -> CrashDisk {
        CrashDisk { platter: Arc::default(), fuse }
    }

    pub(crate) fn crash(&self, damage: Damage, random: &mut impl Rng) {
        let mut platter = self.platter.lock().unwrap();
        platter.boots += 1;
        for contents in platter.files.values_mut() {
            let pending = std::mem::take(&mut contents.pending);
            match damage {
                Damage::Lost => {}
                Damage::Torn => {
                    let bytes = pending.concat();
                    let sectors = bytes.len() / 512 + 1;
                    let kept = (random.random_range(0..=sectors) * 512).min(bytes.len());
                    contents.durable.extend_from_slice(&bytes[..kept]);
                }
                Damage::Reordered => {
                    for write in pending {
                        let is_kept = random.random_bool(0.5);
                        let zeros = vec![0; write.len()];
                        contents.durable.extend_from_slice(if is_kept { &write } else { &zeros });
                    }
                }
            }
        }
    }

    pub(crate) fn names_of_all(&self) -> Vec<String> {
        self.platter.lock().unwrap().files.keys().cloned().collect()
    }
}

impl Disk for CrashDisk {
    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let platter = self.platter.lock().unwrap();
        let name = |path: &String| path.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned);
        Ok(platter.files.keys().filter_map(name).collect())
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let platter = self.platter.lock().unwrap();
        let contents = platter.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok([contents.durable.clone(), contents.pending.concat()].concat())
    }

    fn append(&self, path: &str) -> io::Result<Box<dyn Appender>> {
        self.fuse.burn()?;
        let mut platter = self.platter.lock().unwrap();
        platter.files.entry(path.to_owned()).or_default();
        Ok(Box::new(Handle { disk: self.clone(), path: path.to_owned(), boot: platter.boots }))
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.fuse.burn()?;
        let contents = Contents { durable: bytes.to_vec(), pending: Vec::new() };
        self.platter.lock().unwrap().files.insert(path.to_owned(), contents);
        Ok(())
    }

    fn truncate(&self, path: &str, bytes: u64) -> io::Result<()> {
        self.fuse.burn()?;
        let mut platter = self.platter.lock().unwrap();
        let contents = platter.files.get_mut(path).ok_or(io::ErrorKind::NotFound)?;
        contents.durable.truncate(bytes as usize);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.fuse.burn()?;
        let removed = self.platter.lock().unwrap().files.remove(path);
        removed.map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

struct Handle {
    disk: CrashDisk,
    path: String,
    boot: u64,
}

impl Handle {
    fn with(&self, change: impl FnOnce(&mut Contents)) -> io::Result<()> {
        let is_alive = self.disk.fuse.burn();
        let mut platter = self.disk.platter.lock().unwrap();
        assert_eq!(platter.boots, self.boot, "a handle outlived its power");
        // The operation at which power fails may have reached the disk or not.
        change(platter.files.get_mut(&self.path).ok_or(io::ErrorKind::NotFound)?);
        is_alive
    }
}

impl Appender for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.with(|contents| contents.pending.push(bytes.to_vec()))
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.disk.fuse.is_out() {
            return Err(io::Error::other("no power"));
        }
        self.with(|contents| {
            let pending = contents.pending.concat();
            contents.durable.extend_from_slice(&pending);
            contents.pending.clear();
        })
    }
}
