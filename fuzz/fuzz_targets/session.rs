//! One session of the HTTP+SSE transport: the address that is posted to, then a message a line.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anmei_mcp::fuzzing::session(data));
