//! What verification says of buckets that are as they were delivered, and of
//! buckets that are not.

mod aws_cli;
mod bucket;
mod clean;
mod hostile;
mod mutations;
mod public_keys;
mod server;
mod witness;
