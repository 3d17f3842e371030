//! A server as a child process: how to know that it is ready, what it costs, and that it ends.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

/// Longest wait for a server to be ready, or to end after it was asked to.
const PATIENCE: Duration = Duration::from_secs(15);
/// Linux counts CPU time in hundredths of a second, on every architecture (`getconf CLK_TCK`).
const TICKS_PER_SECOND: f64 = 100.0;

/// A child that is killed when dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts it; what it prints goes to `output`, what it reports to `log`.
    pub(crate) fn spawn(command: &mut Command, output: &Path, log: &Path) -> Result<Self> {
        let open = |path| fs::OpenOptions::new().create(true).append(true).open(path);
        let child = command.stdin(Stdio::piped()).stdout(open(output)?).stderr(open(log)?).spawn();
        Ok(Self(child.with_context(|| format!("starting {}", command.get_program().display()))?))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Calls `ready` every `interval` until it gives something.
    pub(crate) fn wait_for<T>(&mut self, log: &Path, interval: Duration, ready: impl Fn() -> Option<T>) -> Result<T> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(value) = ready() {
                return Ok(value);
            }
            if let Some(status) = self.0.try_wait()? {
                bail!("the server ended with {status} before it was ready:\n{}", tail(log));
            }
            ensure!(Instant::now() < end, "the server is not ready after {PATIENCE:?}:\n{}", tail(log));
            sleep(interval);
        }
    }

    /// Asks it to end in order, and waits.
    pub(crate) fn terminate(mut self, log: &Path) -> Result<()> {
        // The shell's own `kill`: small installations have no program of that name.
        let asked = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.id())).status().context("running kill")?;
        ensure!(asked.success(), "kill -TERM {} failed", self.id());
        self.wait_for_end(log)
    }

    /// Writes this to its standard input, and closes it.
    pub(crate) fn tell(&mut self, text: &str) -> Result<()> {
        let mut stdin = self.0.stdin.take().context("its standard input is closed")?;
        Ok(stdin.write_all(text.as_bytes())?)
    }

    /// Closes its standard input, which ends a reference server in order, and waits.
    pub(crate) fn hang_up(mut self, log: &Path) -> Result<()> {
        drop(self.0.stdin.take());
        self.wait_for_end(log)
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    pub(crate) fn wait_for_end(&mut self, log: &Path) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait()? {
                ensure!(status.success(), "a server ended with {status}:\n{}", tail(log));
                return Ok(());
            }
            ensure!(Instant::now() < end, "a server still runs {PATIENCE:?} after it was told to end:\n{}", tail(log));
            sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu(&self.id().to_string())
    }

    /// Resident memory in MiB.
    pub(crate) fn resident_mib(&self) -> Result<f64> {
        let path = format!("/proc/{}/status", self.id());
        let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: f64 = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).context("no VmRSS")?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// CPU time that this process has used.
pub(crate) fn own_cpu() -> Result<Duration> {
    cpu("self")
}

fn cpu(process: &str) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    // The name in parentheses may hold blanks; user and system time are the 12th and 13th field after it.
    let (_, fields) = stat.rsplit_once(')').context("no process name")?;
    let ticks: Vec<f64> = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    ensure!(ticks.len() == 2, "no CPU time in {path}");
    Ok(Duration::from_secs_f64(ticks.iter().sum::<f64>() / TICKS_PER_SECOND))
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
}
