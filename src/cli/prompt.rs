//! Passwords from people and programs: never from the command line, which every process of the machine can read.

use std::io::{BufRead, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::{Fault, exit};
use crate::{config::environment, secret::SecretText};

/// The longest line that is read.
const LONGEST: u64 = 4096;

/// A new password: from `ANMEI_MCP_ACCOUNT_PASSWORD`, typed twice on a terminal, or the first line of stdin.
pub(super) fn new_password() -> anyhow::Result<SecretText> {
    if let Some(password) = environment().account_password() {
        return Ok(password);
    }
    if !std::io::stdin().is_terminal() {
        return line();
    }
    let first = hidden("new password: ")?;
    let second = hidden("once more: ")?;
    if first == second { Ok(first) } else { Err(Fault::new(exit::USAGE, "the two are not the same; nothing was changed").into()) }
}

fn line() -> anyhow::Result<SecretText> {
    let mut text = String::new();
    std::io::Read::take(std::io::stdin().lock(), LONGEST).read_line(&mut text)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        let why = "no password was given: type it on a terminal, write it to stdin, or set ANMEI_MCP_ACCOUNT_PASSWORD";
        return Err(Fault::new(exit::USAGE, why).into());
    }
    Ok(SecretText::new(text))
}

fn hidden(question: &str) -> anyhow::Result<SecretText> {
    let mut terminal = std::io::stderr().lock();
    write!(terminal, "{question}")?;
    terminal.flush()?;
    let silent = Silence::begin()?;
    let typed = line();
    drop(silent);
    writeln!(terminal)?;
    typed
}

/// The terminal does not show what is typed, until this ends.
struct Silence(Termios);

impl Silence {
    fn begin() -> anyhow::Result<Self> {
        let before = tcgetattr(std::io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that went away needs no echo.
        let _gone = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}
