//! Where bytes come from: files, directories, archives, stdin and S3.
//!
//! ```text
//! Location ──list──▶ Listing (entries pruned by key) ──visit──▶ Visitor::object(object, fill)
//!                                                               Visitor::defect(defect)
//! ```
//!
//! [`list`] finds objects and judges them by their keys alone; [`visit`] opens
//! the ones that remain, inflates them and hands their bytes, one object at a
//! time, to one visitor per worker. What is wrong with an object is a
//! [`Defect`](pugmark_event::Defect); what is wrong with the surroundings (no
//! such path, no credentials, no network) is a [`SourceError`].
//!
//! This crate does not look into the bytes: what is an event is the decoder's
//! matter. Every file of a directory is opened, whatever its name, except
//! dotfiles and those whose key says that they hold something else.

mod error;
mod fetch;
mod inflate;
mod key;
mod list;
mod location;
mod notice;
mod progress;
mod s3;

pub use error::SourceError;
pub use fetch::{Metadata, Visitor, visit};
pub use inflate::{GzipFault, inflate_gzip};
pub use key::{ObjectKey, parse_key};
pub use list::{Access, Contents, Coverage, Entry, Listing, Selection, Told, list, list_told};
pub use location::Location;
pub use notice::{Notice, read_notice};
pub use progress::Progress;
pub use s3::{Address, KeyQuery, Message, Poster, Queue, list_public_keys};
