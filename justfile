# Short names for long lines; everything is in `cargo xtask` and `.ci/run`.

check:
    cargo xtask check && cargo fmt --all --check && cargo clippy --workspace --all-targets -- -D warnings
test *names:
    cargo xtask test {{names}}
bench:
    cargo bench -p pugmark-decode
fuzz target seconds="60":
    cd fuzz && cargo +nightly fuzz run {{target}} -- -max_total_time={{seconds}}
ci:
    .ci/run
