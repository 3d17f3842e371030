//! Why a connection ends: close codes of our own (4000–4999 are for applications) and their texts.
//!
//! A text has to fit into the 123 bytes that a close frame carries (RFC 6455, section 5.5).

use axum::extract::ws::{CloseFrame, Utf8Bytes, close_code};

use super::token::TokenError;

/// One end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// The other side ended it; there is nobody to tell.
    Gone,
    /// The daemon stops.
    Stopping,
    /// Too much that could not be read.
    Garbage,
    /// A message beyond the limit.
    TooLarge,
    /// No frames of a WebSocket, or one so large that it was not read.
    Broken,
    /// The token was not accepted.
    Refused(TokenError),
    /// A token in the address.
    TokenInUrl,
    /// No token came.
    NoToken,
    /// The token ended.
    Expired,
    /// Pings went unanswered.
    Silent,
    /// What is sent is not read.
    TooSlow,
    /// Too many connections of one user.
    TooMany,
    /// The database does not answer.
    Unavailable,
}

impl Close {
    pub(super) fn code(self) -> u16 {
        match self {
            Self::Gone => close_code::NORMAL,
            Self::Stopping => close_code::AWAY,
            Self::TooLarge => close_code::SIZE,
            Self::Broken => close_code::PROTOCOL,
            Self::Unavailable | Self::Refused(TokenError::KeysUnavailable) => close_code::AGAIN,
            Self::Garbage => 4400,
            Self::Refused(TokenError::NoRole) => 4403,
            Self::Refused(_) | Self::TokenInUrl | Self::NoToken | Self::Expired => 4401,
            Self::Silent | Self::TooSlow => 4408,
            Self::TooMany => 4429,
        }
    }

    pub(super) fn reason(self) -> String {
        match self {
            Self::Gone => "",
            Self::Stopping => "服务重启 the server is restarting: connect again",
            Self::Garbage => "消息无法识别 too many unreadable messages",
            Self::TooLarge => "消息过大 message larger than 16 KiB",
            Self::Broken => "协议错误 broken or oversized WebSocket frame",
            Self::Refused(error) => return error.to_string(),
            Self::TokenInUrl => "令牌不可放在网址中 no token in the URL: it is logged; use Sec-WebSocket-Protocol bearer.<token>",
            Self::NoToken => "未登录 no token: send it in Sec-WebSocket-Protocol or as the first message",
            Self::Expired => return TokenError::Expired.to_string(),
            Self::Silent => "心跳丢失 two heartbeats missed",
            Self::TooSlow => "接收过慢 reading too slowly",
            Self::TooMany => "连接过多 too many connections of this user: close another one",
            Self::Unavailable => "暂时不可用 the database does not answer: connect again in a moment",
        }
        .to_owned()
    }

    pub(super) fn frame(self) -> CloseFrame {
        CloseFrame { code: self.code(), reason: Utf8Bytes::from(self.reason()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_fits_into_a_close_frame() {
        use TokenError as T;
        let tokens = [
            T::Invalid,
            T::NoJwt,
            T::Algorithm,
            T::UnknownKey,
            T::KeysUnavailable,
            T::Revoked,
            T::Expired,
            T::NotYet,
            T::Issuer,
            T::Audience,
            T::Claims,
            T::NoRole,
        ];
        let others = [
            Close::Stopping,
            Close::Garbage,
            Close::TooLarge,
            Close::Broken,
            Close::TokenInUrl,
            Close::NoToken,
            Close::Expired,
            Close::Silent,
            Close::TooSlow,
            Close::TooMany,
            Close::Unavailable,
        ];
        for close in tokens.map(Close::Refused).into_iter().chain(others) {
            let reason = close.reason();
            assert!((1..=123).contains(&reason.len()), "{}: {reason}", reason.len());
        }
    }
}
