//! What the demonstration and the tests bring along: sample data, and a stand-in for Dify.

pub mod sample;
pub mod stand_in_dify;
