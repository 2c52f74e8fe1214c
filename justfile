# What a developer needs. `just` lists it.

_default:
    @just --list

# Start a sandbox Telegram with a worker on it, and say what to try
demo:
    cargo run -- sandbox --with-worker

# Format, clippy, docs
check:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features

# All tests
test:
    cargo test --workspace --all-features

# The black-box tests only, or those whose name matches
e2e *filter:
    cargo test -p e2e {{filter}}

# The examples, against the sandbox
examples:
    cargo run -p telestore --example engine
    cargo run -p telestore-uploader --features testsuite --example custom_backend
    cargo run -p telestore-http --example embed -- --once

# Measure the worker against yardsticks; takes some minutes, and rewrites the figures in docs/PERFORMANCE.md
bench *args:
    cargo build --release -p telestore-bench
    bench/run target/release/telestore-bench --docs docs {{args}}

# Micro-benchmarks of the hot crates
bench-micro *filter:
    cargo bench -p telestore-store -p telestore-merger -p telestore-mtproto -p telestore-age --features telestore-mtproto/testsuite --bench spool --bench merged_read --bench pack --bench rate -- {{filter}}

# Licences, bans and sources of all crates; `just deny --advisories` also what is known against them (network)
deny *args:
    .ci/deny {{args}}

# A clock that is moved while the worker runs (Debian's libfaketime)
clock *filter:
    .ci/clock {{filter}}

# Files that come back, in every form (Debian's age and zstd)
roundtrips *filter:
    .ci/roundtrips {{filter}}

# The store of many workers against a real PostgreSQL and PgBouncer (Debian's)
postgres *filter:
    .ci/postgres {{filter}}

# An unmodified Telethon against the sandbox (Python 3.11, packages from PyPI)
telethon:
    .ci/telethon

# curl, requests, httpx, fetch, .NET's form, Uppy and the stock client's calls against a worker
clients:
    .ci/clients

# A real browser against the demo page of the sandbox; `just browser --screenshot docs/images/demo.png` for the README's picture
browser *args:
    .ci/browser {{args}}

# Schemathesis against the sandbox (Python 3.11, packages from PyPI)
schemathesis:
    .ci/schemathesis

# Somebody else's crate: parts of its own, through the suites
embedder:
    .ci/embedder

# The workflows and forms in .github (packages from PyPI)
github:
    .ci/github

# Everything that must pass on a clean checkout
ci:
    .ci/run
