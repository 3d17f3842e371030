//! A person's browser: one connection that stays open, a cookie, and how long each answer took.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::common::http;

/// Longest wait for a part of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
const LOGIN: &str = "mei";
const PASSWORD: &str = "a quiet afternoon in May";
const COOKIE: &str = "anmei_admin=";

/// A browser with at most one session.
pub(crate) struct Browser {
    target: SocketAddr,
    cookie: Option<String>,
    line: Option<TcpStream>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// From sending the request to the last byte of the answer.
    pub(crate) took: Duration,
    cookie: Option<String>,
}

impl Browser {
    /// One in which the first administrator follows the setup link.
    pub(crate) fn set_up(target: SocketAddr, link: &str) -> Result<Self> {
        let mut browser = Self { target, cookie: None, line: None };
        let path = link.strip_prefix(&browser.root()).with_context(|| format!("the setup link leads elsewhere: {link}"))?.to_owned();
        browser.get(&path)?;
        browser.post(&path, &[("login", LOGIN), ("display_name", "梅"), ("password", PASSWORD), ("again", PASSWORD)])?;
        Ok(browser)
    }

    /// Another one, in which the same person signs in.
    pub(crate) fn signed_in(target: SocketAddr) -> Result<Self> {
        let mut browser = Self { target, cookie: None, line: None };
        browser.post("/panel/sign-in", &[("login", LOGIN), ("password", PASSWORD), ("code", "")])?;
        Ok(browser)
    }

    fn root(&self) -> String {
        format!("http://{}", self.target)
    }

    /// Asks for a page, which must be there.
    pub(crate) fn get(&mut self, path: &str) -> Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\n{}\r\n", self.headers());
        let answer = self.send(&request).with_context(|| format!("GET {path}"))?;
        let shown = || String::from_utf8_lossy(answer.body.get(..400).unwrap_or(&answer.body)).into_owned();
        ensure!(answer.status == 200, "GET {path}: {} instead of 200: {}", answer.status, shown());
        Ok(answer)
    }

    /// Asks for a stream of events, and gives the connection on which they come.
    pub(crate) fn listen(&self, path: &str) -> Result<TcpStream> {
        let mut stream = self.connect()?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nAccept: text/event-stream\r\n{}\r\n", self.headers()).as_bytes())?;
        Ok(stream)
    }

    /// Sends a form of somebody who signs in with it.
    fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<()> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        let body = form.extend_pairs(fields).append_pair("_csrf", "").finish();
        let request = format!(
            "POST {path} HTTP/1.1\r\n{}Origin: {}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.headers(),
            self.root(),
            body.len()
        );
        let answer = self.send(&request).with_context(|| format!("POST {path}"))?;
        let shown = || String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(answer.status == 303, "POST {path}: {} instead of 303: {}", answer.status, shown());
        self.cookie = Some(answer.cookie.context("nobody was signed in")?);
        Ok(())
    }

    fn headers(&self) -> String {
        let cookie = self.cookie.as_ref().map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
        format!("Host: {}\r\nUser-Agent: anmei-bench/1.0.0\r\nAccept-Language: zh-CN\r\n{cookie}", self.target)
    }

    fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.target, PATIENCE).context("connecting")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Sends a request over the connection that is open. One that the server closed meanwhile, as it does with those that
    /// are silent for long, answers nothing: then over a new one.
    fn send(&mut self, request: &str) -> Result<Answer> {
        let answered = match self.line.take() {
            Some(open) => self.exchange(open, request).ok(),
            None => None,
        };
        match answered {
            Some(answer) => Ok(answer),
            None => self.exchange(self.connect()?, request),
        }
    }

    fn exchange(&mut self, mut stream: TcpStream, request: &str) -> Result<Answer> {
        let sent = Instant::now();
        stream.write_all(request.as_bytes())?;
        let mut received = Vec::with_capacity(64 * 1024);
        let mut part = vec![0; 64 * 1024];
        loop {
            let length = stream.read(&mut part).context("receiving")?;
            ensure!(length > 0, "the server closed the connection instead of answering");
            received.extend_from_slice(part.get(..length).unwrap_or_default());
            let Some(response) = http::parse(&received)? else { continue };
            let took = sent.elapsed();
            let answer = Answer { status: response.status, body: response.body.into_owned(), took, cookie: cookie(&received) };
            self.line = (!response.close).then_some(stream);
            return Ok(answer);
        }
    }
}

/// The session's cookie, if an answer sets it.
fn cookie(answer: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(answer);
    let head = head.split("\r\n\r\n").next()?;
    let set = head.lines().find(|line| line.to_ascii_lowercase().starts_with("set-cookie:") && line.contains(COOKIE))?;
    let (_, value) = set.split_once(':')?;
    Some(value.split(';').next()?.trim().to_owned())
}

/// Reads events until `stop` says so, and gives how many there were; it returns early when the stream ends.
pub(crate) fn events(stream: &mut TcpStream, mut each: impl FnMut(), stop: impl Fn() -> bool) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_millis(100)))?;
    let mut part = vec![0; 64 * 1024];
    // An event ends with an empty line, whose two line feeds may come apart.
    let mut last = 0;
    while !stop() {
        match stream.read(&mut part) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                for byte in part.iter().take(length) {
                    if *byte == b'\n' && last == b'\n' {
                        each();
                    }
                    last = *byte;
                }
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(error) => bail!("a live stream broke off: {error}"),
        }
    }
    Ok(())
}
