//! The arguments of a tool call: a byte that chooses the tool, then JSON.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anmei_mcp::fuzzing::tool_arguments(data));
