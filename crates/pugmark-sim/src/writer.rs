//! Where finished files go: compressed into a directory, or kept in memory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Level that `gzip` uses by default; what CloudTrail's files look like.
const LEVEL: u32 = 6;
/// Files waiting for one compressor.
const QUEUE: usize = 16;

/// One finished object, not yet compressed.
pub(crate) struct Finished {
    /// Key below the directory.
    pub(crate) key: String,
    pub(crate) body: String,
}

/// Takes finished objects.
pub(crate) trait Outlet {
    fn put(&mut self, finished: Finished) -> io::Result<()>;
}

/// Keeps objects in memory.
#[derive(Default)]
pub(crate) struct Kept(pub(crate) Vec<Finished>);

impl Outlet for Kept {
    fn put(&mut self, finished: Finished) -> io::Result<()> {
        self.0.push(finished);
        Ok(())
    }
}

/// Hands objects to compressing threads, in turn.
pub(crate) struct Spread {
    senders: Vec<SyncSender<Finished>>,
    next: usize,
}

impl Outlet for Spread {
    fn put(&mut self, finished: Finished) -> io::Result<()> {
        self.next = (self.next + 1) % self.senders.len();
        self.senders[self.next].send(finished).map_err(|_| io::Error::other("a writer stopped"))
    }
}

/// Runs `produce` while `threads` compressors write its objects below `directory`.
pub(crate) fn write_below<T>(
    directory: &Path,
    threads: usize,
    produce: impl FnOnce(&mut Spread) -> io::Result<T>,
) -> io::Result<T> {
    std::thread::scope(|scope| {
        let mut senders = Vec::new();
        let mut workers = Vec::new();
        for _ in 0..threads.max(1) {
            let (sender, receiver) = sync_channel(QUEUE);
            senders.push(sender);
            workers.push(scope.spawn(move || Compressor::new(directory).run(&receiver)));
        }
        let mut spread = Spread { senders, next: 0 };
        let produced = produce(&mut spread);
        drop(spread);
        for worker in workers {
            // The cause, such as a full disk, says more than "a writer stopped".
            worker.join().map_err(|_| io::Error::other("a writer failed"))??;
        }
        produced
    })
}

/// One recycled gzip encoder and the directory it made last.
struct Compressor<'a> {
    directory: &'a Path,
    made: PathBuf,
    deflate: Compress,
    packed: Vec<u8>,
}

impl<'a> Compressor<'a> {
    fn new(directory: &'a Path) -> Compressor<'a> {
        let deflate = Compress::new(Compression::new(LEVEL), false);
        Compressor { directory, made: PathBuf::new(), deflate, packed: Vec::new() }
    }

    fn run(mut self, queue: &Receiver<Finished>) -> io::Result<()> {
        while let Ok(finished) = queue.recv() {
            self.pack(finished.body.as_bytes())?;
            let path = self.directory.join(&finished.key);
            let folder = path.parent().unwrap_or(self.directory);
            if folder != self.made {
                fs::create_dir_all(folder)?;
                self.made = folder.to_path_buf();
            }
            fs::write(&path, &self.packed)?;
        }
        Ok(())
    }

    /// One gzip member without name or time, so that the same body gives the same bytes.
    fn pack(&mut self, body: &[u8]) -> io::Result<()> {
        self.packed.clear();
        self.packed.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
        self.packed.reserve(body.len() / 4 + 1_024);
        self.deflate.reset();
        loop {
            let done = self.deflate.total_in() as usize;
            let status = self.deflate.compress_vec(&body[done..], &mut self.packed, FlushCompress::Finish)?;
            if status == Status::StreamEnd {
                break;
            }
            self.packed.reserve(body.len() / 4 + 1_024);
        }
        let mut crc = Crc::new();
        crc.update(body);
        self.packed.extend_from_slice(&crc.sum().to_le_bytes());
        self.packed.extend_from_slice(&(body.len() as u32).to_le_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[expect(clippy::disallowed_types, reason = "reads back one member that this test just wrote")]
    fn unpacked(packed: &[u8]) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_recycled_encoder_writes_whole_members() {
        let mut compressor = Compressor::new(Path::new("."));
        for body in ["", "short", &"long ".repeat(50_000)] {
            compressor.pack(body.as_bytes()).unwrap();
            assert_eq!(unpacked(&compressor.packed), body);
        }
    }
}
