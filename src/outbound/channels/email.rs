//! E-mail over SMTP: one message to everybody it is for, in one transaction.
//!
//! The Message-ID is made of the push's id, so that most mailboxes show a message sent twice once. One recipient that
//! is refused does not keep the message from the others: `lettre`'s own `send` gives up at the first, so that the
//! commands are given one by one here.

mod address;

use std::time::{Duration, SystemTime};

use address::{Encryption, Relay};
use lettre::{
    Address, Message,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error,
        authentication::Mechanism,
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
    },
};

use super::{ChannelError, Push, Sent, Tools, config::Fault, text};
use crate::secret::SecretText;

/// How long the goodbye may take: the message is delivered by then, whatever becomes of it.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);
/// Trying LOGIN last, which only old servers need.
const MECHANISMS: &[Mechanism] = &[Mechanism::Plain, Mechanism::Login];

/// A sender of e-mail.
pub(super) struct Mailer {
    relay: Relay,
    from: Mailbox,
    to: Vec<Address>,
}

/// Somebody to write to, and what they are called in [`Sent::missed`].
struct Addressee {
    label: String,
    address: Address,
}

impl Mailer {
    pub(super) fn parse(url: &SecretText, from: &str, to: &[String]) -> Result<Self, Fault> {
        let from = from.parse().map_err(|_| Fault::of("from", "is no e-mail address, such as 安美智享 <notice@example.cn>"))?;
        let parse = |text: &String| parse_ascii(text).ok_or_else(|| Fault::of("to", "holds something that is no e-mail address in ASCII"));
        Ok(Self { relay: Relay::parse(url)?, from, to: to.iter().map(parse).collect::<Result<_, _>>()? })
    }

    pub(super) async fn send(&self, tools: &Tools, push: &Push) -> Result<Sent, ChannelError> {
        let (addressees, mut missed) = self.addressees(push);
        if addressees.is_empty() {
            return Err(ChannelError::Nobody("none of the recipients has an e-mail address, and the channel names none"));
        }
        let message = self.message(push, &addressees, tools.clock.now().into())?;
        let transaction = self.transact(tools.timeout, &addressees, &message);
        let Ok(done) = tokio::time::timeout(tools.timeout, transaction).await else {
            return Err(ChannelError::NoAnswer(format!("{} took more than {} ms", self.relay.shown(), tools.timeout.as_millis())));
        };
        let (mut connection, refused) = done?;
        missed.extend(refused);
        if !matches!(tokio::time::timeout(QUIT_TIMEOUT, connection.quit()).await, Ok(Ok(_))) {
            tracing::debug!("the mail server took the message and did not answer QUIT");
        }
        Ok(Sent { missed })
    }

    /// Sender, subject and text.
    pub(super) fn text(&self, push: &Push) -> String {
        format!("From: {}\nSubject: {}\n\n{}", self.from, text::title(push), letter(push))
    }

    /// Whom to write to, and who has no address.
    fn addressees(&self, push: &Push) -> (Vec<Addressee>, Vec<String>) {
        let (mut found, mut missed) = (Vec::new(), Vec::new());
        for (at, address) in self.to.iter().enumerate() {
            found.push(Addressee { label: format!("to[{at}]"), address: address.clone() });
        }
        let own: &[_] = if self.to.is_empty() { &push.recipients } else { &[] };
        for recipient in own {
            match recipient.email.as_deref().and_then(parse_ascii) {
                Some(address) => found.push(Addressee { label: recipient.user_id.clone(), address }),
                None => missed.push(recipient.user_id.clone()),
            }
        }
        (found, missed)
    }

    fn message(&self, push: &Push, to: &[Addressee], now: SystemTime) -> Result<Vec<u8>, ChannelError> {
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into());
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(text::title(push))
            .date(now)
            .message_id(Some(format!("<{}@{}>", push.id, self.from.email.domain())))
            .raw_header(automatic)
            .header(ContentType::TEXT_PLAIN);
        for addressee in to {
            builder = builder.to(Mailbox::new(None, addressee.address.clone()));
        }
        let message =
            builder.body(letter(push)).map_err(|_| self.refused("not sent", "the message cannot be written: check from and to"))?;
        Ok(message.formatted())
    }

    /// Hands the message over; gives back the connection and who was refused.
    async fn transact(
        &self,
        timeout: Duration,
        to: &[Addressee],
        message: &[u8],
    ) -> Result<(AsyncSmtpConnection, Vec<String>), ChannelError> {
        let mut connection = self.connect(timeout).await?;
        if let Some(login) = &self.relay.login {
            connection.auth(MECHANISMS, login).await.map_err(|error| self.explain(&error, "check the user and the password"))?;
        }
        let explain = |error: Error| self.explain(&error, "check the sender's address, and what the server lets it send");
        connection.command(Mail::new(Some(self.from.email.clone()), Vec::new())).await.map_err(explain)?;
        let (mut refused, mut last) = (Vec::new(), None);
        for addressee in to {
            match connection.command(Rcpt::new(addressee.address.clone(), Vec::new())).await {
                Ok(_) => {}
                Err(error) if error.status().is_some() => {
                    refused.push(addressee.label.clone());
                    // What may pass later is remembered first: with nobody left, another attempt can help.
                    last = last.filter(Error::is_transient).or(Some(error));
                }
                Err(error) => return Err(explain(error)),
            }
        }
        if let (true, Some(error)) = (refused.len() == to.len(), last) {
            return Err(self.explain(&error, "it takes none of the recipients: check their addresses"));
        }
        connection.command(Data).await.map_err(explain)?;
        connection.message(message).await.map_err(explain)?;
        Ok((connection, refused))
    }

    async fn connect(&self, timeout: Duration) -> Result<AsyncSmtpConnection, ChannelError> {
        let Relay { host, port, encryption, .. } = &self.relay;
        let hello = ClientId::Domain(self.from.email.domain().to_owned());
        let explain = |error: Error| self.explain(&error, "check the address of the mail server");
        let tls = match encryption {
            Encryption::None => None,
            Encryption::StartTls | Encryption::Implicit => Some(self.tls().await?),
        };
        let implicit = if *encryption == Encryption::Implicit { tls.clone() } else { None };
        let server = (host.as_str(), *port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(server, Some(timeout), &hello, implicit, None).await.map_err(explain)?;
        if let (Encryption::StartTls, Some(tls)) = (encryption, tls) {
            if !connection.can_starttls() {
                let advice = "it offers no STARTTLS, and nothing is sent in the clear: use smtps://, or ?tls=none on a network you trust";
                return Err(self.refused("no STARTTLS", advice));
            }
            connection.starttls(tls, &hello).await.map_err(explain)?;
        }
        Ok(connection)
    }

    /// Reads the system's certificates, which blocks for some milliseconds.
    async fn tls(&self) -> Result<TlsParameters, ChannelError> {
        let host = self.relay.host.clone();
        let built = tokio::task::spawn_blocking(move || TlsParameters::new(host)).await;
        built.ok().and_then(Result::ok).ok_or_else(|| {
            self.refused("no TLS", "no certificate authorities were found on this machine: install the ca-certificates package")
        })
    }

    fn refused(&self, answer: &str, advice: &'static str) -> ChannelError {
        ChannelError::Refused { host: self.relay.shown(), answer: answer.to_owned(), advice }
    }

    /// By the code alone: the server's words repeat addresses.
    fn explain(&self, error: &Error, advice: &'static str) -> ChannelError {
        let host = self.relay.shown();
        match error.status() {
            Some(code) if error.is_transient() => ChannelError::NotNow { host, answer: format!("SMTP {code}"), retry_after: None },
            Some(code) => self.refused(&format!("SMTP {code}"), advice),
            None if error.is_client() => self.refused("no way to log in", advice),
            None if error.is_response() => ChannelError::NoAnswer(format!("what {host} says is not SMTP, or broke off")),
            None => ChannelError::NoAnswer(format!("cannot reach {host}: {}", innermost(error))),
        }
    }
}

/// The text of a letter.
fn letter(push: &Push) -> String {
    let foot = text::link(push).map(|link| format!("\n\n{}: {link}\n", text::OPEN)).unwrap_or_default();
    format!("{}{foot}", push.body)
}

/// The innermost reason: what the system or TLS said.
fn innermost(error: &Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}

/// An address every server takes.
fn parse_ascii(text: &(impl AsRef<str> + ?Sized)) -> Option<Address> {
    let text = text.as_ref().trim();
    text.is_ascii().then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
