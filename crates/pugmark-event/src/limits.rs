//! A bound for everything that input can ask for.

macro_rules! limits {
    ($( $name:ident : $type:ty = $value:expr, $unit:literal, $doc:literal; )*) => {
        /// Bounds on what one run spends on its input; `pugmark limits` prints them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Limits { $( #[doc = $doc] pub $name: $type, )* }

        impl Default for Limits {
            fn default() -> Limits { Limits { $( $name: $value, )* } }
        }

        impl Limits {
            /// Name, value, unit and meaning of each limit.
            pub fn table(&self) -> Vec<(&'static str, u64, &'static str, &'static str)> {
                vec![ $( (stringify!($name), self.$name as u64, $unit, $doc), )* ]
            }
        }
    };
}

limits! {
    object_bytes_max: u64 = 512 << 20, "bytes", "one object as stored";
    inflated_bytes_max: u64 = 4 << 30, "bytes", "one object uncompressed";
    record_bytes_max: usize = 16 << 20, "bytes", "one record";
    text_bytes_max: usize = 1 << 20, "bytes", "one text value; the rest is cut and noted";
    depth_max: u32 = 64, "levels", "nesting of one record";
    members_max: u32 = 10_000, "members", "members of one record's objects that are columns";
    records_max: u64 = 5_000_000, "records", "records of one object";
    gzip_members_max: u32 = 1_024, "members", "gzip members of one object";
    archive_depth_max: u32 = 2, "levels", "archives within archives";
    objects_max: u64 = 10_000_000, "objects", "objects of one run";
    defects_kept: usize = 10_000, "defects", "defects kept with their place; all are counted";
    arena_bytes: usize = 512 << 10, "bytes", "uncompressed bytes decoded into one batch";
    batch_rows: usize = 8_192, "rows", "rows of one batch";
    witness_bytes: usize = 256 << 20, "bytes", "one object held whole while its hash is checked";
    sort_bytes: usize = 192 << 20, "bytes", "memory for sorting before it spills to disk";
}
