//! What verification says of buckets that are as they were delivered, and of
//! buckets that are not.

mod bucket;
mod clean;
mod mutations;
