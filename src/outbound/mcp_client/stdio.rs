//! stdio: a program is started, and a line goes in for each message and comes out for each answer.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};
use tokio_util::task::TaskTracker;

use super::{
    Limits, McpError,
    message::{self, Outgoing, Read},
};
use crate::secret::SecretText;

/// Lines of stderr that an error shows.
const TAIL: usize = 5;
/// Longest of these lines.
const TAIL_LINE: u64 = 500;

/// A program that speaks MCP on stdin and stdout.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its file.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// What its environment has besides ours.
    pub env: Vec<(String, SecretText)>,
}

/// A program that runs.
struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    said: Arc<Mutex<VecDeque<String>>>,
}

/// The program, started by the first message.
pub(super) struct StdioWire {
    program: Program,
    limits: Limits,
    running: Option<Running>,
}

impl StdioWire {
    pub(super) fn new(program: Program, limits: Limits) -> Self {
        Self { program, limits, running: None }
    }

    pub(super) fn host(&self) -> String {
        name(&self.program.path)
    }

    /// Sends a request and reads lines up to its answer.
    pub(super) async fn ask(&mut self, message: &Outgoing<'_>) -> Result<Value, McpError> {
        let (after, max, path) = (self.limits.timeout, self.limits.max_bytes, self.program.path.clone());
        let running = self.run()?;
        let id = message.id.unwrap_or_default();
        let answer = async {
            running.write(&message.text(), &path).await?;
            loop {
                let line = running.line(max, &path).await?;
                if line.trim().is_empty() {
                    continue;
                }
                match message::read(&line, id, None) {
                    Ok(Read::Answer(answer)) => return answer,
                    Ok(Read::Other) => {}
                    Err(why) => return Err(McpError::NotMcp { host: name(&path), why }),
                }
            }
        };
        tokio::time::timeout(after, answer).await.unwrap_or_else(|_| Err(McpError::Timeout { host: name(&path), after }))
    }

    /// Sends a notification.
    pub(super) async fn tell(&mut self, message: &Outgoing<'_>) -> Result<(), McpError> {
        let path = self.program.path.clone();
        self.run()?.write(&message.text(), &path).await
    }

    /// Closes its stdin, which is how a host ends such a program, and waits for its end; kills one that stays.
    pub(super) async fn close(&mut self) {
        let Some(Running { mut child, stdin, stdout, .. }) = self.running.take() else { return };
        drop((stdin, stdout));
        if tokio::time::timeout(self.limits.timeout, child.wait()).await.is_err()
            && let Err(error) = child.kill().await
        {
            tracing::debug!(%error, "the program could not be killed");
        }
    }

    fn run(&mut self) -> Result<&mut Running, McpError> {
        let running = match self.running.take() {
            Some(running) => running,
            None => Running::start(&self.program)?,
        };
        Ok(self.running.insert(running))
    }
}

impl Running {
    fn start(program: &Program) -> Result<Self, McpError> {
        let fail = |why: String| McpError::Program { path: program.path.clone(), why };
        let mut command = Command::new(&program.path);
        command.args(&program.args).envs(program.env.iter().map(|(name, value)| (name, value.expose())));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| fail(format!("cannot be started: {error}")))?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(fail("has no pipes".into()));
        };
        let said = Arc::new(Mutex::new(VecDeque::new()));
        // It ends with the program's stderr, and the program with this value.
        TaskTracker::new().spawn(keep_tail(BufReader::new(stderr), Arc::clone(&said)));
        Ok(Self { child, stdin, stdout: BufReader::new(stdout), said })
    }

    async fn write(&mut self, text: &str, path: &Path) -> Result<(), McpError> {
        let line = format!("{text}\n");
        let written = async {
            self.stdin.write_all(line.as_bytes()).await?;
            self.stdin.flush().await
        };
        match written.await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.ended(path).await),
        }
    }

    async fn line(&mut self, max: usize, path: &Path) -> Result<String, McpError> {
        let mut line = Vec::new();
        let most = u64::try_from(max).unwrap_or(u64::MAX);
        let read = (&mut self.stdout).take(most).read_until(b'\n', &mut line).await;
        match read {
            Ok(1..) if line.ends_with(b"\n") => {
                String::from_utf8(line).map_err(|_| McpError::NotMcp { host: name(path), why: "a line is not UTF-8".into() })
            }
            Ok(1..) if line.len() >= max => Err(McpError::TooLarge { host: name(path), max }),
            _ => Err(self.ended(path).await),
        }
    }

    /// How it ended, in its own last words.
    async fn ended(&mut self, path: &Path) -> McpError {
        let wait = std::time::Duration::from_secs(1);
        let how = match tokio::time::timeout(wait, self.child.wait()).await {
            Ok(Ok(status)) => format!("ended with {status}"),
            _ => "closed its output".to_owned(),
        };
        // The task that reads stderr may still be at the last line.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let said: Vec<_> = self.said.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let said = if said.is_empty() { String::new() } else { format!("; its last words: {}", said.join(" / ")) };
        McpError::Program { path: path.to_owned(), why: format!("{how}{said}") }
    }
}

async fn keep_tail(mut stderr: impl AsyncBufReadExt + Unpin, said: Arc<Mutex<VecDeque<String>>>) {
    let mut line = Vec::new();
    while let Ok(1..) = (&mut stderr).take(TAIL_LINE).read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        line.clear();
        if !text.is_empty() {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_back(text);
            if said.len() > TAIL {
                said.pop_front();
            }
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
