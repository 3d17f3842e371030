//! Finding people by a part of their name, e-mail address or phone number, best first.
//!
//! Every query is answered from indexes with a bounded number of rows, whatever it is: candidates come from tiers
//! (the whole text, its beginning, and two full-text indexes), each cut off at a limit, and are then judged in Rust by
//! [`score`]. Where a tier has more rows than its limit, the full-text ones keep the people added last.
//!
//! What can be found: any part of three or more characters of a name, address or number; of a Chinese name any single
//! character; of any name the beginnings of its words, in any order. What cannot: one or two Latin letters from the middle
//! of a word. The query is text to look for, never syntax: nothing in it reaches the full-text engine unquoted.

mod score;
mod terms;

use std::collections::HashMap;

use anmei_mcp_tools::port::UserHit;
use rusqlite::{Connection, Params, Row};

pub(super) use self::terms::name_chars;
use self::{
    score::{Candidate, rank},
    terms::Terms,
};
use super::{rows, users};

/// Each index of `users` gives the rows that equal the query or begin with it. They come in the index's order, so the
/// shortest are among them.
const BY_NAME: &str = "
    SELECT seq, id, username, email, phone, registered_at FROM users
    WHERE username COLLATE NOCASE >= ?1 AND username COLLATE NOCASE < ?2 ORDER BY username COLLATE NOCASE LIMIT 100";
const BY_EMAIL: &str = "
    SELECT seq, id, username, email, phone, registered_at FROM users
    WHERE email COLLATE NOCASE >= ?1 AND email COLLATE NOCASE < ?2 ORDER BY email COLLATE NOCASE LIMIT 50";
const BY_PHONE: &str = "
    SELECT seq, id, username, email, phone, registered_at FROM users
    WHERE phone >= ?1 AND phone < ?2 ORDER BY phone LIMIT 50";
const BY_TRIGRAMS: &str = "
    SELECT u.seq, u.id, u.username, u.email, u.phone, u.registered_at FROM user_trigrams f JOIN users u ON u.seq = f.rowid
    WHERE user_trigrams MATCH ?1 ORDER BY f.rowid DESC LIMIT 200";
const BY_CHARACTERS: &str = "
    SELECT u.seq, u.id, u.username, u.email, u.phone, u.registered_at FROM user_characters f JOIN users u ON u.seq = f.rowid
    WHERE user_characters MATCH ?1 ORDER BY f.rowid DESC LIMIT 200";

/// Users whose name, e-mail address or phone number matches, best first.
pub(super) fn search(db: &Connection, query: &str, limit: u32) -> rusqlite::Result<Vec<UserHit>> {
    let Some(terms) = Terms::new(query) else { return Ok(Vec::new()) };
    let best = rank(candidates(db, &terms)?, &terms, limit as usize);
    let mut hits = Vec::with_capacity(best.len());
    for (seq, score) in best {
        if let Some(user) = users::by_seq(db, seq)? {
            hits.push(UserHit { user, score });
        }
    }
    Ok(hits)
}

fn candidates(db: &Connection, terms: &Terms) -> rusqlite::Result<Vec<Candidate>> {
    let mut found = Found::default();
    found.add(db, BY_NAME, range(&terms.typed))?;
    found.add(db, BY_EMAIL, range(&terms.typed))?;
    for phone in &terms.phones {
        found.add(db, BY_PHONE, range(phone))?;
    }
    if let Some(trigrams) = terms.trigrams() {
        found.add(db, BY_TRIGRAMS, [trigrams])?;
    }
    if let Some(characters) = terms.characters() {
        found.add(db, BY_CHARACTERS, [characters])?;
    }
    Ok(found.0.into_values().collect())
}

/// Everything from `text` on that begins with it: no character sorts after the last one of Unicode.
fn range(text: &str) -> (&str, String) {
    (text, format!("{text}{}", char::MAX))
}

/// Candidates by row, each once.
#[derive(Default)]
struct Found(HashMap<i64, Candidate>);

impl Found {
    fn add(&mut self, db: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<()> {
        for candidate in rows::all(db, sql, params, candidate)? {
            self.0.entry(candidate.seq).or_insert(candidate);
        }
        Ok(())
    }
}

fn candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    Ok(Candidate {
        seq: row.get(0)?,
        id: row.get(1)?,
        username: row.get(2)?,
        email: row.get(3)?,
        phone: row.get(4)?,
        registered_at: row.get(5)?,
    })
}

#[cfg(test)]
mod tests;
