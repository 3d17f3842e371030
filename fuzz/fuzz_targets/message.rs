//! One JSON-RPC message, as a client may post it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anmei_mcp::fuzzing::message(data));
