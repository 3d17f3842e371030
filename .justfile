# One verb per task; CI runs the same stages (.ci/run).

# Lists the recipes
default:
    @just --list

# Formatting, the compiler's and the linter's opinion
check:
    bash .ci/run lint

# All tests of both crates
test:
    bash .ci/run test

# Takes the tests' new snapshots: look at the difference before committing it
snap:
    INSTA_UPDATE=always cargo test --workspace

# Writes man/, examples/anmei-mcp.toml and examples/openapi.json anew
docs:
    cargo build
    bash .ci/generate target/debug/anmei-mcp

# The daemon, from the working tree
run *ARGS:
    cargo run -- serve {{ ARGS }}

# Figures and alert rules as Prometheus sees them, and traces
figures:
    bash .ci/run figures

# The main job on sample data
demo *ARGS:
    cargo run --release -- demo {{ ARGS }}

# Calls, intake, memory and start, against the same work done on bare hyper; figures in target/bench/summary.json
bench *ARGS:
    cargo bench --bench load -- {{ ARGS }}

# Registrations at once, over a minute and in a burst, with agents that think, fail and stall; figures in target/bench/registrations.json
bench-registrations *ARGS:
    cargo bench --bench registrations -- {{ ARGS }}

# The panel and its API over a million calls and 100 000 registrations, and what panel traffic costs callers; figures in target/bench/panel.json
bench-panel *ARGS:
    cargo bench --bench panel -- {{ ARGS }}

# Whether the time of a refusal tells a stranger anything about keys, groups and accounts
timing *ARGS:
    cargo bench --bench timing -- {{ ARGS }}

# Real, unmodified clients against this build, such as: just clients --only inspector
clients *ARGS:
    cargo build --bin anmei-mcp --example conformance_server
    python3 tests/clients/run.py --binary target/debug/anmei-mcp {{ ARGS }}

# Everything the document of the admin API allows, asked of this build, such as: just api --only groups
api *ARGS:
    cargo build
    python3 tests/api/run.py --binary target/debug/anmei-mcp {{ ARGS }}

# Every page in a real Chromium: the panel, the consent page, the consultants' page; screenshots in target/screenshots
browser *ARGS:
    cargo build
    python3 tests/browser/run.py --binary target/debug/anmei-mcp {{ ARGS }}

# Kills, power cuts, full and failing disks, locks, clock jumps: what is lost (as root; such as: just torture --only P1)
torture *ARGS:
    cargo build --release
    python3 tests/torture/run.py --binary target/release/anmei-mcp {{ ARGS }}

# Kills a daemon at every point of a registration, and proves that nothing is lost
drill *ARGS:
    cargo run --release -- drill crash {{ ARGS }}

# Feeds bytes nobody would write to every reader of foreign input, 60 s each; needs cargo-fuzz (such as: just fuzz message)
fuzz *TARGETS:
    bash fuzz/run {{ TARGETS }}

# Everything that CI runs
ci:
    bash .ci/run
