//! What a host needs in order to reach this server: the entry of its configuration file, a command, a link, a form.
//!
//! ```text
//! host      which hosts there are, and by which transports each can be reached
//! offer     what is offered: groups with their keys, an address, and how to start this program
//! pieces    what comes out
//! hosts     one function for each family of hosts
//! place     where a host keeps its file, by platform
//! merge     putting entries into a file that somebody else wrote: JSON with comments, TOML
//! keep      keys that stand in such a file already, where only a placeholder is known
//! install   the same on disk: a back-up first, then the whole file at once
//! ```
//!
//! Everything but `install` is a function of its arguments, so that a page can show what the command line prints. Nobody
//! here looks a key up, asks for an environment variable, or connects.

mod host;
mod hosts;
mod install;
mod keep;
mod merge;
mod offer;
mod pieces;
mod place;
#[cfg(test)]
mod tests;

pub use self::{
    host::{Host, Transport, Unsupported},
    hosts::pieces,
    install::{InstallError, Installed, install},
    merge::{MergeError, merge},
    offer::{Offer, Program, Server},
    pieces::{Entry, Field, FilePiece, Format, Pieces, Put},
    place::{Places, Platform},
};
