//! What verification says of buckets that are as they were delivered, and of
//! buckets that are not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod aws_cli;
mod bucket;
mod clean;
mod hostile;
mod mutations;
mod public_keys;
mod server;
mod witness;
