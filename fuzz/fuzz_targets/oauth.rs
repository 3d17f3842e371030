//! Parameters, redirect addresses and registrations of the authorization server.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anmei_mcp::fuzzing::oauth(data));
