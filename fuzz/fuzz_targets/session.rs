//! The messages of one session of the HTTP+SSE transport, one a line.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anmei_mcp::fuzzing::session(data));
