# Every task of the project, by name. CI calls only these.

set shell := ["bash", "-euo", "pipefail", "-c"]

bench_binary := "target/release/msgr-bench"
# Switches on what is measured beside the messengers, where the host has it; looked up when a recipe gets there.
zmq := '$(pkg-config --exists libzmq 2>/dev/null && echo --features msgr-bench/zmq || true)'
scheduled := 'RUSTFLAGS="--cfg msgr_shuttle" CARGO_TARGET_DIR=target/shuttle cargo test --locked --quiet --profile shuttle ' + \
    '--package msgr --package msgr-simple --package msgr-async'

# What there is.
default:
    @just --list

# Measures the messengers at 1 to 1024 peers and at fixed rates and writes out/index.html; takes the options of `msgr-bench run`.
bench *options: build
    {{ bench_binary }} run {{ options }}

# Compares the messengers with the bare socket at one peer, against the project's own bars.
speed *options: build
    {{ bench_binary }} speed {{ options }}

# A million messages while sockets fail: none is lost, doubled or out of order (docs/TRIALS.md).
soak *options: build
    {{ bench_binary }} soak {{ options }}

# Kills either side again and again: the other hears what its policy promises, and goes on.
kill *options: build
    {{ bench_binary }} kill {{ options }}

# Two thousand peers that stall, lie and flood, while good peers hardly notice.
abuse *options: build
    {{ bench_binary }} abuse {{ options }}

# Ten thousand connects and drops: files, threads and memory come back.
leaks *options: build
    {{ bench_binary }} leaks {{ options }}

# Draws the page of a record again.
report record="out/run.json" *options: build
    {{ bench_binary }} report {{ record }} {{ options }}

# What changed from one record to another, as ratios to the floor; writes out/compare.html.
compare before after *options: build
    {{ bench_binary }} compare {{ before }} {{ after }} {{ options }}

# A page of the saved runs below a directory, which leads to theirs.
index dir: build
    {{ bench_binary }} index {{ dir }}

# Is this tree slower than BASE? Pairs of both programs in random order (docs/GATE.md); takes a commit and the options of
# `msgr-bench gate`.
gate *options:
    .ci/gate {{ options }}

# How often the gate errs: jobs of this tree against itself, for an hour; prints the tables of docs/METHOD.md.
gate-selftest dir="out/gate-selftest": build
    .ci/gate-selftest {{ dir }}

# Do messages and peers cost as many calls, wake-ups, allocations and threads as were committed? (docs/GATE.md)
shape *options: build
    {{ bench_binary }} shape {{ options }}

# Commits what they cost now, with the reason.
shape-accept reason="": build
    {{ bench_binary }} shape --accept {{ quote(reason) }}

# Adds verdicts of the gate to a file and draws out/trend.html: what became of one commit after another (docs/GATE.md).
trend file *options: build
    {{ bench_binary }} trend {{ file }} {{ options }}

# Which limits of this host cap the number of peers.
doctor: build
    {{ bench_binary }} doctor

# The binaries that measure, optimised; with ZeroMQ where libzmq is installed (`just setup`).
build:
    cargo build --locked --release --package msgr-bench --bins {{ zmq }}

# All tests, the examples included. Installs the packages they need where it may.
test: setup sim concurrency rdma-test
    cargo run --locked --quiet --package msgr --example echo -- simple
    cargo run --locked --quiet --package msgr --example echo -- async
    cargo test --locked --workspace --doc
    cargo test --locked --workspace --all-targets {{ zmq }}

# Runs the conformance cases against every messenger and prints a table; takes --only, --repeat, --case, --against.
conformance *options:
    cargo run --locked --quiet --package msgr-conformance-table -- {{ options }}

# Plays seeded stories of faults between messengers in memory; takes --schedules N, --seed N, --trace, --shrink.
sim *options:
    cargo build --locked --quiet --profile sim --package msgr-sim --features cli
    target/sim/msgr-sim {{ options }}

# Breaks the protocol on purpose, in ways that the simulation must notice within 10,000 schedules; takes names of some.
sim-mutants *names:
    .ci/mutants {{ names }}

# Formatting, lints and documentation, all without a warning, and the licences of the dependencies.
check:
    cargo fmt --all --check
    cargo clippy --locked --workspace --all-targets {{ zmq }} -- --deny warnings
    RUSTDOCFLAGS="--deny warnings" cargo doc --locked --workspace --no-deps --document-private-items
    cargo test --locked --quiet --package msgr-bench --test licences --test tidy

# What the parts cost that need no thread: encode, decode, crc, session, queues, throttle, histograms.
micro *options:
    cargo bench --locked --package msgr --bench protocol -- {{ options }}

# What a real ceph-mon does with our messengers, row by row.
interop: setup
    cargo test --locked --package msgr-conformance --package msgr-simple --package msgr-async --test interop_with_ceph_mon -- --nocapture

# Do the messengers count what strace, perf and valgrind count? A table; fails when a difference is above its limit.
counts duration="4s": build
    .ci/packages strace linux-perf valgrind
    .ci/counts {{ duration }}

# What measurements and test suites need: libzmq, a browser to open the pages in, axe-core to look for barriers in them, a Ceph
# monitor to talk to.
setup:
    .ci/packages libzmq3-dev pkg-config chromium ceph-mon ceph-common
    .ci/axe

# A picture of a page, as the README shows it.
screenshot page="out/index.html" picture="docs/report.png": setup
    .ci/screenshot {{ page }} {{ picture }}

# Tests of hand-offs between threads, each under thousands of schedules; MSGR_SCHEDULES=10 runs ten times as many.
concurrency test="schedules":
    {{ scheduled }} --lib -- {{ test }}
    {{ scheduled }} --test schedules -- {{ if test == "schedules" { "" } else { test } }}

# Fuzzes decoder, handshakes and sessions, each for so many seconds; `.ci/fuzz keep` keeps what it found.
fuzz seconds="60":
    .ci/fuzz run {{ seconds }}

# The system packages that RDMA needs: verbs with their bindings, and what the guest with Soft-RoCE is made of.
rdma-setup:
    clang=$(apt-cache depends libclang-dev 2>/dev/null | sed -n 's/.*Depends: libclang-\([0-9]*\)-dev/\1/p'); \
    .ci/packages libibverbs-dev ibverbs-providers "libclang1-${clang:-14}" "libclang-common-${clang:-14}-dev" \
        qemu-system-x86 cpio xz-utils iproute2 perftest

# RDMA on real verbs: the tests named *_in_guest, in a guest with Soft-RoCE; takes a test file's name and its arguments.
rdma-test *options: rdma-setup
    MSGR_SYNTHETIC_SCALE=tenth .ci/guest/tests {{ options }}

# The same with as many operations in the random workloads as upstream does; takes long.
rdma-test-full *options: rdma-setup
    MSGR_SYNTHETIC_SCALE=small-payloads RDMA_SECONDS=3600 .ci/guest/tests {{ options }}

# A shell script's worth of commands in that guest, such as a benchmark: runs DIR/run there, with DIR as /job.
rdma-guest dir: rdma-setup
    .ci/guest/run {{ dir }}

# Simple, async and rdma side by side in that guest, with bare TCP and bare verbs as the floors: writes out/rdma.html.
bench-rdma *options: rdma-setup
    .ci/guest/bench page {{ options }}

# RDMA at one peer in that guest against bare verbs and the project's own bars; fails when one is missed.
speed-rdma *options: rdma-setup
    .ci/guest/bench bars {{ options }}
