pub mod breaker;
pub mod pick;
pub mod segment;
#[cfg(test)]
mod random_for_tests;
